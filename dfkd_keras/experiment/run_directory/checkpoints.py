"""The checkpoints of a run: written atomically, verified by checksum, the newest few kept."""

import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from dfkd_keras.experiment.run_directory.own_files import any_number
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, StorageError
from dfkd_keras.utils.files import atomic_write, check_disk_space, fsync, remove

WEIGHTS, RECORD = "step-{:09d}.weights.h5", "step-{:09d}.json"
HEADER = 2048  # bytes that HDF5 needs for a variable besides its values
logger = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """The complete state of a distiller after a number of steps.

    Attributes:
        steps: Integer. Training steps made so far.
        weights: `Path`. The file for `load_weights`.
        metadata: Dictionary. What else the training needs to continue.
    """

    steps: int
    weights: Path
    metadata: dict[str, Any]

    def position(self, steps_per_epoch: int) -> tuple[int, int]:
        """Returns the number of complete epochs and the number of steps made in the next one."""
        epochs, steps = divmod(self.steps, steps_per_epoch)
        return (epochs - 1, steps_per_epoch) if self.metadata.get("evaluation_due") else (epochs, steps)


class CheckpointFolder:
    """A folder of checkpoints that detects damaged ones.

    A checkpoint is two files: the weights, and a record of their checksum. The record is written last and makes the
    checkpoint exist.

    Args:
        path: String or `Path`. Path of the folder, which need not exist yet.
        max_to_keep: Integer. Number of checkpoints that stay when another one is saved. Defaults to 2.
    """

    def __init__(self, path: Path | str, max_to_keep: int = 2):
        self.path, self.max_to_keep = Path(path), max_to_keep

    def save(self, model: keras.Model, steps: int, metadata: dict[str, Any] | None = None) -> Path:
        """Saves the state of a model.

        Args:
            model: Keras model, compiled.
            steps: Integer. Training steps that the model has made.
            metadata: Dictionary of JSON values to store with it. Defaults to None, nothing.

        Returns:
            `Path` of the weights.

        Raises:
            StorageError: If it cannot be written, for lack of space or permission. Earlier checkpoints are unchanged.
        """
        weights, record = self._weights(steps), self._record(steps)
        try:
            with atomic_write(record) as new_record, atomic_write(weights) as new_weights:
                check_disk_space(new_weights.parent, bytes_of(model))  # HDF5 prints much more, or crashes
                model.save_weights(new_weights)
                content = {"steps": steps, "sha256": checksum(new_weights), "metadata": metadata or {}}
                new_record.write_text(json.dumps(content, default=np.generic.item), encoding="utf-8")
                fsync(new_record, new_weights)
                remove(record)  # of an earlier checkpoint at the same step; the files move into place next
        except (OSError, RuntimeError) as error:  # h5py raises RuntimeError where it cannot continue writing
            raise StorageError(
                f"checkpoint {str(weights)!r} cannot be written ({single_line(error)}): free some space or grant "
                "access; earlier checkpoints are kept, and the same command resumes from them."
            ) from error
        self._remove(self._records()[: -self.max_to_keep])
        return weights

    def newest(self) -> Checkpoint | None:
        """Returns the newest intact checkpoint; None if there are no checkpoints. Logs a warning per damaged one.

        Raises:
            InvalidInputError: If there are checkpoints and none is intact.
        """
        records = self._records()
        for record in reversed(records):
            try:
                return self._read(record)
            except (OSError, ValueError) as error:
                logger.warning("checkpoint %s is damaged (%s): using the previous one.", record.stem, error)
        if records:
            raise InvalidInputError(f"no checkpoint in {str(self.path)!r} is intact: start over with --noresume.")
        return None

    def after(self, steps: int) -> Checkpoint:
        """Returns the checkpoint that was saved after a number of steps.

        Args:
            steps: Integer. Training steps of the whole training.

        Raises:
            InvalidInputError: If there is none, or if it is damaged.
        """
        try:
            return self._read(self._record(steps))
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"no intact checkpoint after step {steps} in {str(self.path)!r} ({error}): start over with --noresume."
            ) from error

    def remove_after(self, steps: int) -> None:
        """Removes all checkpoints of later steps, intact or not, since training continues from `steps`."""
        self._remove([record for record in self._records() if record > self._record(steps)])

    def _read(self, record: Path) -> Checkpoint:
        content = json.loads(record.read_text(encoding="utf-8"))
        wanted = {"steps": int, "sha256": str, "metadata": dict}
        if not isinstance(content, dict) or not all(isinstance(content.get(name), wanted[name]) for name in wanted):
            raise InvalidInputError("its record holds something else")
        checkpoint = Checkpoint(content["steps"], self._weights(content["steps"]), content["metadata"])
        if checksum(checkpoint.weights) != content["sha256"]:
            raise InvalidInputError("its checksum differs")
        return checkpoint

    def _remove(self, records: list[Path]) -> None:
        for record in records:
            remove(record)
        kept = {record.stem for record in self._records()}
        for weights in self.path.glob(any_number(WEIGHTS)):
            if weights.name.partition(".")[0] not in kept:
                remove(weights)

    def _records(self) -> list[Path]:
        return sorted(self.path.glob(any_number(RECORD)))

    def _weights(self, steps: int) -> Path:
        return self.path / WEIGHTS.format(steps)

    def _record(self, steps: int) -> Path:
        return self.path / RECORD.format(steps)


def bytes_of(model: keras.Model) -> int:
    """Returns an upper bound of the size of a model's saved state, in bytes."""
    variables = [*model.variables, *model.optimizer.variables]
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        variables += 2 * model.trainable_variables  # Keras saves its moments twice
    return sum(math.prod(variable.shape) * np.dtype(variable.dtype).itemsize + HEADER for variable in variables)


def checksum(path: Path) -> str:
    """Returns the SHA-256 checksum of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
