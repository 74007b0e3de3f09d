"""What ends a training before its last epoch, or keeps what it has when it must end."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend import distribution
from dfkd_keras.experiment.training.checkpoints import CheckpointFolder
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.experiment.training.recording import Recorder
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.utils.errors import InvalidInputError, NonFiniteLossError


class Checkpoints(keras.callbacks.Callback):
    """Saves the distiller's whole state every so many epochs, when training ends, and when the run is preempted.

    Args:
        folder: to save in.
        every_epochs: how often.
        initial_steps: steps of the whole training that were made before.
        preemption: tells when the run has to stop, which it does after the current step, or batch of an evaluation.
        metadata: tells what to remember with a checkpoint.
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
        self.preemption, self.metadata, self.epoch, self.steps = preemption, metadata, 0, initial_steps
        self.steps_per_epoch, self.before_evaluation = 0, None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch."""
        self.epoch, self.steps_per_epoch, self.before_evaluation = epoch, self.params["steps"], None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the step, and saves and ends the run if it is preempted."""
        self.steps = max(self.initial_steps, self.epoch * self.steps_per_epoch + batch + 1)
        if self._is_preempted():
            self._save_and_leave(self._evaluation_due())

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Remembers the epoch's running means, which Keras resets for an evaluation."""
        _ = self.model  # which, on JAX, brings its variables up to date
        self.before_evaluation = self.metadata()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves and ends the run if it is preempted; the evaluation is made again."""
        if self._is_preempted():
            self._save_and_leave(self._evaluation_due())

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves, if it is time, and ends the run if it is preempted."""
        if self._is_preempted():
            self._save_and_leave(evaluation_due=False)
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        if last or (epoch + 1) % self.every_epochs == 0:
            self.folder.save(self.model, self.steps, self._noted())

    def _evaluation_due(self) -> bool:
        return self.steps % self.steps_per_epoch == 0

    def _noted(self) -> dict[str, Any]:
        return self.before_evaluation or self.metadata()

    def _is_preempted(self) -> bool:
        return distribution.any_across_workers(self.preemption.requested.is_set())

    def _save_and_leave(self, evaluation_due: bool) -> None:
        model = self.model  # which, on JAX, brings its variables up to date for the metadata
        metadata = {**self._noted(), "evaluation_due": evaluation_due}
        # The means may not have been read since, nor do they tell what the last update made of the weights.
        finite = all(np.isfinite(mean).all() for mean in metadata["means"]) and not_finite(model) is None
        if finite and self.steps > self.initial_steps:  # or what there is, is the checkpoint that training went on from
            self.folder.save(model, self.steps, metadata)
        raise Preempted(f"stopped by SIGTERM after step {self.steps}: the same command goes on from there.")


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run soon after a loss that is not a finite number, and never lets such weights be saved.

    Args:
        means: of the losses, as they are read; once not finite, they stay so.
    """

    def __init__(self, means: RunningMeans):
        super().__init__()
        self.means, self.epoch = means, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raises FloatingPointError naming the loss, and the step by which it was seen; ValueError for a priority."""
        values = self.means.latest
        for name in sorted(values, key=lambda name: name == "synthesis_loss"):  # the term at fault before the sum
            if not math.isfinite(values[name]):
                if name == "priority":  # and no loss: lower rates, and another try, are no help
                    raise InvalidInputError(self.model.replay.sampling.refusal(values[name]))
                self._stop(f"{name} is {values[name]} by step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Raises FloatingPointError if a weight is not finite."""
        if path := not_finite(self.model):
            self._stop(f"weight {path} is not finite after the last step")

    def _stop(self, what: str) -> None:
        raise NonFiniteLossError(
            f"{what} of epoch {self.epoch + 1}: lower the learning rate of that side; the last good checkpoint is kept."
        )


def not_finite(model: keras.Model) -> str | None:
    """Returns the path of the first weight of a model that has a value which is not finite; None if there is none."""
    weights = model.trainable_variables
    return next((weight.path for weight in weights if not bool(ops.all(ops.isfinite(weight.value)))), None)


class StopAtTime(keras.callbacks.Callback):
    """Ends the training after the step in which its time is up.

    Args:
        max_minutes: of training, all parts of an interrupted run together; teacher and evaluations are not counted.
        recorder: which measures it.
    """

    name = "max_minutes"

    def __init__(self, max_minutes: float, recorder: Recorder):
        super().__init__()
        self.max_minutes, self.recorder, self.stopped = max_minutes, recorder, False

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Compares the time."""
        if self.reached():
            self.stopped = self.model.stop_training = True

    def reached(self) -> bool:
        """Returns whether the time is up, on any of several machines."""
        return distribution.any_across_workers(self.recorder.seconds_in_all() >= 60.0 * self.max_minutes)
