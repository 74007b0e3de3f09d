"""A Keras model that follows a schedule: it compiles each kind of training step once and switches between them."""

import functools
from collections.abc import Callable
from typing import Any

from dfkd_keras.backend import gradient
from dfkd_keras.backend.keras_internals import SelfFedModel
from dfkd_keras.schedules.schedule import SKIPPED, Position, StepKind
from dfkd_keras.utils.errors import InvalidInputError


class ScheduledModel(SelfFedModel):
    """Base class of a model whose `train_step` does what the kind of its `position` says.

    Attributes:
        position: A `Position`. Epoch, step and kind of the training step being made. `ScheduleCallback` sets it before
            every step.
    """

    position: Position

    def set_step_kind(self, kind: StepKind) -> None:
        """Sets the kind of the steps to come, for steps that are made without a schedule."""
        self.position = self.position._replace(kind=kind)

    def train_on_batch(self, *arguments: Any, **named: Any) -> None:
        """Raises `InvalidInputError`: a step has no data, and only `fit` knows which updates it makes."""
        raise InvalidInputError("train_on_batch: steps have no data here, and follow the schedule: use fit(epochs=1).")

    def make_train_function(self, force: bool = False) -> None:
        """Makes the one function that `fit` calls for every step.

        It runs the compiled step of the present kind, which it compiles when the kind first occurs.

        Args:
            force: Boolean. Whether to compile again what was compiled before. Defaults to `False`.
        """
        if self.train_function is None or force:
            self.train_function, self._compiled_steps = self._run_step, {}

    def _run_step(self, *arguments: Any) -> Any:
        """Runs a step on an iterator over data; on JAX, on the model's state and an iterator."""
        if self.position.kind == SKIPPED:
            return gradient.no_step(*arguments)
        key = self.position.kind, self.steps_per_execution
        if key not in self._compiled_steps:
            gradient.show_state(self, *arguments)
            self._compiled_steps[key] = self._compile_step()
        return self._compiled_steps[key](*arguments)

    def _compile_step(self) -> Callable:
        dispatcher = self.train_function
        # A new function each time: JAX takes equal functions, as bound methods are, for one and the same.
        self.train_step = functools.partial(type(self).train_step, self)
        try:
            super().make_train_function(force=True)
            return gradient.unlogged(self.train_function)
        finally:
            del self.train_step  # uncovers the method of the class
            self.train_function = dispatcher
