"""Ending a training that has stopped to pay, judged without any real image."""

import dataclasses

import keras
import numpy as np

from dfkd_keras.backend import distribution
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.training.history import History
from dfkd_keras.synthesis import GeneratorSynthesizer
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError

FRESH_AGREEMENT = "fresh_agreement"


@dataclasses.dataclass(frozen=True)
class AgreementEarlyStopping:
    """Ends a training once the student agrees no more often with the teacher on new synthetic images.

    The images are made anew in every epoch, of latents that no training step uses; the student has seen none of them.

    Args:
        patience_epochs: epochs with student updates to wait for a better agreement, at least 1.
        images: synthesized to measure it.
    """

    patience_epochs: int = 10
    images: int = 2048

    def __post_init__(self):
        check_counts("AgreementEarlyStopping", **dataclasses.asdict(self))

    def check(self, distiller: DataFreeDistiller) -> None:
        """Raises ValueError if a distiller has no generator to make new images."""
        if not isinstance(distiller.synthesizer, GeneratorSynthesizer):
            raise InvalidInputError(
                f"AgreementEarlyStopping needs new images in every epoch, but {type(distiller.synthesizer).__name__} "
                "has no generator: set Experiment.early_stopping = None."
            )

    def measure(self, distiller: DataFreeDistiller, epoch: int) -> float:
        """Returns the fraction of new images on which student and teacher agree."""
        key = np.array([distiller.seed, 2**63 + epoch], dtype=np.uint64)  # steps count from 0
        noise, same = np.random.Generator(np.random.Philox(key=key)), []
        for start in range(0, self.images, distiller.batch_size):
            shape = (min(distiller.batch_size, self.images - start), distiller.synthesizer.latent_dim)
            images = distiller.synthesize(noise.standard_normal(shape, dtype=np.float32))
            same.append(np.equal(*distiller.seen_by_both(images).values()))
        return float(np.mean(np.concatenate(same)))

    def reached(self, agreements: list[float]) -> bool:
        """Returns whether the best of the epochs' agreements lies as many epochs back as patience lasts."""
        return bool(agreements) and len(agreements) - 1 - int(np.argmax(agreements)) >= self.patience_epochs


class StopAtPlateau(keras.callbacks.Callback):
    """Measures the agreement after every epoch with student updates and ends the training at its plateau.

    Args:
        plateau: how to measure, and when it is reached.
        history: of the epochs before; what is measured is added to the logs, for the recorder.
    """

    name = "early_stopping"

    def __init__(self, plateau: AgreementEarlyStopping, history: History):
        super().__init__()
        self.plateau, self.history, self.stopped = plateau, history, False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measures and compares."""
        if self.model.schedule.updates_in_epoch(epoch).student:
            logs[FRESH_AGREEMENT] = self.plateau.measure(self.model, epoch)
            self.stopped = self.reached(logs[FRESH_AGREEMENT])
            self.model.stop_training |= self.stopped

    def reached(self, *latest: float) -> bool:
        """Returns whether the plateau is reached, on any of several machines, with what the history lacks yet."""
        return distribution.any_across_workers(self.plateau.reached([*self.history.column(FRESH_AGREEMENT), *latest]))
