"""Callbacks that save the state and end the training early."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend import distribution
from dfkd_keras.experiment.run_directory import CheckpointFolder
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.experiment.training.recording import Recorder
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.utils.errors import InvalidInputError, NonFiniteLossError


class Checkpoints(keras.callbacks.Callback):
    """Saves the complete state of the distiller regularly, when the training ends, and when the run is preempted.

    Args:
        folder: `CheckpointFolder` to save in.
        every_epochs: Integer. Saves this often.
        initial_steps: Integer. Steps of the whole training that were made before.
        preemption: `Preemption`. When it is requested, the run stops after the current step or evaluation batch.
        metadata: Callable without arguments. Returns the dictionary to store with a checkpoint.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        every_epochs: int,
        initial_steps: int,
        preemption: Preemption,
        metadata: Callable[[], dict[str, Any]],
    ):
        super().__init__()
        self.folder, self.every_epochs, self.initial_steps = folder, every_epochs, initial_steps
        self.preemption, self.metadata, self.steps = preemption, metadata, initial_steps
        self.epoch, self.steps_per_epoch, self.before_evaluation = 0, 0, None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts to count the steps of the epoch."""
        self.epoch, self.steps_per_epoch, self.before_evaluation = epoch, self.params["steps"], None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the step. If the run is preempted, saves and ends it."""
        self.steps = max(self.initial_steps, self.epoch * self.steps_per_epoch + batch + 1)
        if self._is_preempted():
            self._save_and_leave(self._evaluation_due())

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Stores the running means of the epoch, which Keras resets for an evaluation."""
        _ = self.model  # on JAX, this brings its variables up to date
        self.before_evaluation = self.metadata()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """If the run is preempted, saves and ends it; the evaluation is repeated on resume."""
        if self._is_preempted():
            self._save_and_leave(self._evaluation_due())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves if a checkpoint is due. If the run is preempted, saves and ends it."""
        if self._is_preempted():
            self._save_and_leave(evaluation_due=False)
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if last or (epoch + 1) % self.every_epochs == 0:
            self.folder.save(self.model, self.steps, self._current_metadata())

    def _evaluation_due(self) -> bool:
        return self.steps % self.steps_per_epoch == 0

    def _current_metadata(self) -> dict[str, Any]:
        return self.before_evaluation or self.metadata()

    def _is_preempted(self) -> bool:
        return distribution.any_across_workers(self.preemption.requested.is_set())

    def _save_and_leave(self, evaluation_due: bool) -> None:
        model = self.model  # on JAX, this brings its variables up to date for the metadata
        metadata = {**self._current_metadata(), "evaluation_due": evaluation_due}
        # The means may not have been read since the last step, and do not show what its update made of the weights.
        finite = all(np.isfinite(mean).all() for mean in metadata["means"]) and not_finite(model) is None
        if finite and self.steps > self.initial_steps:  # otherwise the checkpoint that training resumed from is current
            self.folder.save(model, self.steps, metadata)
        raise Preempted(f"stopped by SIGTERM after step {self.steps}: the same command resumes from there.")


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run soon after a loss becomes infinite or NaN, and before such weights are saved.

    Args:
        means: `RunningMeans`. Reads the losses. Once a mean is not finite, it stays so until the epoch ends.
    """

    def __init__(self, means: RunningMeans):
        super().__init__()
        self.means = means

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Checks the losses that were read after this step.

        Raises:
            NonFiniteLossError: If a loss is not finite. The message names it.
            InvalidInputError: If a priority, or another value of the image source, is not finite.
        """
        values = self.means.latest
        for name in sorted(values, key=lambda name: name == "synthesis_loss"):  # the term at fault before the sum
            if not math.isfinite(values[name]):
                replay = self.model.replay
                if name in replay.names:  # not a loss: lower learning rates and another attempt would not help
                    raise InvalidInputError(replay.invalid_value(name, values[name]))
                self._stop(f"{name} is {values[name]} by step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Raises `NonFiniteLossError` if a weight is not finite."""
        if path := not_finite(self.model):
            self._stop(f"weight {path} is not finite after the last step")

    def _stop(self, what: str) -> None:
        epoch = self.means.distiller.position.epoch + 1
        raise NonFiniteLossError(
            f"{what} of epoch {epoch}: lower the learning rate of that side; the last good checkpoint is kept."
        )


def not_finite(model: keras.Model) -> str | None:
    """Returns the path of the first weight of a model that is not finite; None if all are."""
    weights = model.trainable_variables
    return next((weight.path for weight in weights if not bool(ops.all(ops.isfinite(weight.value)))), None)


class StopAtTime(keras.callbacks.Callback):
    """Ends the training after the step in which it reaches a time limit.

    Args:
        max_minutes: Float. Training time over all calls, in minutes. The teacher's training and evaluations do not
            count.
        recorder: `Recorder`. Measures the time.
    """

    name = "max_minutes"

    def __init__(self, max_minutes: float, recorder: Recorder):
        super().__init__()
        self.max_minutes, self.recorder, self.stopped = max_minutes, recorder, False

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stops the training if the limit is reached."""
        if self.reached():
            self.stopped = self.model.stop_training = True

    def reached(self) -> bool:
        """Returns whether the limit is reached on any worker."""
        return distribution.any_across_workers(self.recorder.total_seconds() >= 60.0 * self.max_minutes)
