"""Early stopping on the agreement between student and teacher, which needs no real images."""

import dataclasses

import keras
import numpy as np

from dfkd_keras.backend import distribution
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.run_directory import History
from dfkd_keras.synthesis import GeneratorSynthesizer
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError

FRESH_AGREEMENT = "fresh_agreement"


@dataclasses.dataclass(frozen=True)
class AgreementEarlyStopping:
    """Stops training when the agreement with the teacher on new synthetic images stops improving.

    The images are synthesized anew in every epoch, from latents that no training step uses, so the student has not
    been trained on any of them.

    Args:
        patience_epochs: Integer. Epochs with student updates to wait for a better agreement. Defaults to 10.
        images: Integer. Number of images to synthesize for the measurement. Defaults to 2048.

    Raises:
        InvalidInputError: If a count is below 1.
    """

    patience_epochs: int = 10
    images: int = 2048

    def __post_init__(self):
        check_counts("AgreementEarlyStopping", **dataclasses.asdict(self))

    def check(self, distiller: DataFreeDistiller) -> None:
        """Raises `InvalidInputError` if the distiller has no generator to synthesize new images."""
        if not isinstance(distiller.synthesizer, GeneratorSynthesizer):
            raise InvalidInputError(
                f"AgreementEarlyStopping needs new images in every epoch, but {type(distiller.synthesizer).__name__} "
                "has no generator: set Experiment.early_stopping = None."
            )

    def measure(self, distiller: DataFreeDistiller, epoch: int) -> float:
        """Returns the agreement on new images, as a fraction.

        Args:
            distiller: `DataFreeDistiller`.
            epoch: Integer. Index of the epoch, from 0. Each epoch has images of its own.
        """
        key = np.array([distiller.seed, 2**63 + epoch], dtype=np.uint64)  # training steps use the keys from 0 on
        noise, agreeing = np.random.Generator(np.random.Philox(key=key)), []
        for start in range(0, self.images, distiller.batch_size):
            shape = (min(distiller.batch_size, self.images - start), distiller.synthesizer.latent_dim)
            images = distiller.synthesize(noise.standard_normal(shape, dtype=np.float32))
            agreeing.append(np.equal(*distiller.predict_classes(images).values()))
        return float(np.mean(np.concatenate(agreeing)))

    def reached(self, agreements: list[float]) -> bool:
        """Returns whether the best of the agreements, one per epoch, is at least `patience_epochs` epochs old."""
        return bool(agreements) and len(agreements) - 1 - int(np.argmax(agreements)) >= self.patience_epochs


class StopAtPlateau(keras.callbacks.Callback):
    """Measures the agreement after every epoch with student updates and ends the training at its plateau.

    Args:
        plateau: `AgreementEarlyStopping`. How to measure, and when the plateau is reached.
        history: `History` of the earlier epochs. The measured agreement is added to the logs for it.
    """

    name = "early_stopping"

    def __init__(self, plateau: AgreementEarlyStopping, history: History):
        super().__init__()
        self.plateau, self.history, self.stopped = plateau, history, False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measures the agreement and stops the training if it no longer improves."""
        if self.model.schedule.updates_in_epoch(epoch).student:
            logs[FRESH_AGREEMENT] = self.plateau.measure(self.model, epoch)
            self.stopped = self.reached(logs[FRESH_AGREEMENT])
            self.model.stop_training |= self.stopped

    def reached(self, *latest: float) -> bool:
        """Returns whether the plateau is reached on any worker.

        Args:
            *latest: Floats. Agreements that the history lacks so far.
        """
        return distribution.any_across_workers(self.plateau.reached([*self.history.column(FRESH_AGREEMENT), *latest]))
