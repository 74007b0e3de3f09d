"""The checkpoints of a run: each written whole, known by its checksum, the newest few kept."""

import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write, check_disk_space, fsync, remove

HEADER = 2048  # bytes that HDF5 takes for a variable beside its values
logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """All state of a distiller after some steps.

    Attributes:
        steps: training steps that were made.
        weights: the file that `load_weights` takes.
        metadata: what else was to be remembered.
    """

    steps: int
    weights: Path
    metadata: dict[str, Any]

    def place(self, steps_per_epoch: int) -> tuple[int, int]:
        """Returns how many epochs are complete, and how many steps of the next one are made."""
        epochs, steps = divmod(self.steps, steps_per_epoch)
        return (epochs - 1, steps_per_epoch) if self.metadata.get("evaluation_due") else (epochs, steps)


class CheckpointFolder:
    """A folder of checkpoints, in which a damaged one is told from an intact one.

    A checkpoint is two files: the weights, and a record of their checksum, which is written last and makes the
    checkpoint exist.

    Args:
        path: of the folder, which need not exist.
        kept: how many of the newest stay when another is saved.
    """

    def __init__(self, path: Path | str, kept: int = 2):
        self.path, self.kept = Path(path), kept

    def save(self, model: keras.Model, steps: int, metadata: dict[str, Any] | None = None) -> Path:
        """Saves a model's state after so many steps and returns the path of the weights.

        Raises:
            OSError: if that fails, for want of space or permission; earlier checkpoints are as they were.
        """
        weights, record = self._weights(steps), self._record(steps)
        try:
            with atomic_write(record) as noted, atomic_write(weights) as aside:
                check_disk_space(
                    aside.parent, bytes_of(model)
                )  # without which HDF5 would say more than is raised, or crash
                model.save_weights(aside)
                noted.write_text(json.dumps({"steps": steps, "sha256": checksum(aside), "metadata": metadata or {}}))
                fsync(noted, aside)
                remove(record)  # of an earlier checkpoint with as many steps; what follows is moving
        except (OSError, RuntimeError) as error:  # h5py raises RuntimeError where it cannot write on
            raise OSError(
                f"checkpoint {str(weights)!r} cannot be written ({single_line(error)}): make room or grant "
                "access; earlier ones are kept, and the same command goes on from there."
            ) from error
        self._forget(self._records()[: -self.kept])
        return weights

    def newest(self) -> Checkpoint | None:
        """Returns the newest checkpoint that is intact, if there is any; damaged ones are reported.

        Raises:
            ValueError: if there are some and none is intact.
        """
        records = self._records()
        for record in reversed(records):
            try:
                return self._read(record)
            except (OSError, ValueError, KeyError) as error:
                logger.warning("checkpoint %s is damaged (%s): taking the one before.", record.stem, error)
        if records:
            raise InvalidInputError(f"no checkpoint in {str(self.path)!r} is intact: start over with --noresume.")
        return None

    def after(self, steps: int) -> Checkpoint:
        """Returns the checkpoint after so many steps.

        Raises:
            ValueError: if there is none, or it is damaged.
        """
        try:
            return self._read(self._record(steps))
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInputError(
                f"no intact checkpoint after step {steps} in {str(self.path)!r} ({error}): start over with --noresume."
            ) from error

    def forget_after(self, steps: int) -> None:
        """Removes the checkpoints of later steps, damaged or not: training goes on from here, and makes them anew."""
        self._forget([record for record in self._records() if record > self._record(steps)])

    def _read(self, record: Path) -> Checkpoint:
        known = json.loads(record.read_text())
        checkpoint = Checkpoint(known["steps"], self._weights(known["steps"]), known["metadata"])
        if checksum(checkpoint.weights) != known["sha256"]:
            raise InvalidInputError("its checksum differs")
        return checkpoint

    def _forget(self, records: list[Path]) -> None:
        for record in records:
            remove(record)
        kept = {record.stem for record in self._records()}
        for weights in self.path.glob("step-*.weights.h5"):
            if weights.name.removesuffix(".weights.h5") not in kept:
                remove(weights)

    def _records(self) -> list[Path]:
        return sorted(self.path.glob("step-*.json"))

    def _weights(self, steps: int) -> Path:
        return self.path / f"step-{steps:09d}.weights.h5"

    def _record(self, steps: int) -> Path:
        return self.path / f"step-{steps:09d}.json"


def bytes_of(model: keras.Model) -> int:
    """Returns how many bytes a model's state takes in a file, or somewhat more."""
    variables = [*model.variables, *model.optimizer.variables]
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        variables += 2 * model.trainable_variables  # whose moments Keras then saves twice
    return sum(math.prod(variable.shape) * np.dtype(variable.dtype).itemsize + HEADER for variable in variables)


def checksum(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
