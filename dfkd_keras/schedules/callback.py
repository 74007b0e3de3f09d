"""The callback by which `DataFreeDistiller.fit` follows its schedule, from the middle of an epoch if need be."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import gradient


class ScheduleCallback(keras.callbacks.Callback):
    """Tells the distiller each step's kind, and the noise which step training starts from.

    Args:
        distiller: which is trained. On JAX, a callback's `model` would bring all weights up to date in every step.
        steps_per_epoch: steps an epoch.
        initial_step: steps of the first epoch that were made before; they are passed over.
    """

    def __init__(self, distiller: Any, steps_per_epoch: int, initial_step: int):
        super().__init__()
        self.distiller = distiller
        self.steps_per_epoch, self.passed_over = steps_per_epoch, initial_step
        self.epoch, self.first_step, self.started = 0, 0, False

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Keeps the running means that the loaded epoch has come to."""
        self.begun = [ops.copy(variable.value) for variable in self.distiller.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Finds out where training starts, and lets the first step be of its kind."""
        if not self.started:
            self.first_step, self.started = epoch * self.steps_per_epoch + self.passed_over, True
            self._restore()
        else:
            self.passed_over = 0
        self.epoch = epoch
        self.on_train_batch_begin(0)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Switches to the step's kind, or to no step at all for one that was made before."""
        if batch < self.passed_over:
            self.distiller.train_function = gradient.no_step
        else:
            self.distiller.set_step_kind(self.distiller.schedule.step_kind(self.epoch, batch))

    def _restore(self) -> None:
        """Goes on with an epoch's running means, which Keras has just reset."""
        if self.passed_over:
            for variable, value in zip(self.distiller.metrics_variables, self.begun, strict=True):
                variable.assign(value)
