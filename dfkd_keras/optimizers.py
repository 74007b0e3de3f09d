"""Optimization as published recipes have it: coupled weight decay, and a cosine decay over the whole training."""

import math
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.precision import inner_optimizer
from dfkd_keras.utils.checks import (
    check_counts,
    check_fractions,
    check_kinds,
    check_numbers,
    check_positive,
    given,
)
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import PACKAGE

__all__ = ["CosineDecayOverTraining", "CoupledSGD"]

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package=PACKAGE)
class CoupledSGD(keras.optimizers.SGD):
    """SGD with coupled weight decay: an L2 penalty in the gradient, g + l2 * w, which passes through the momentum.

    Keras' own `weight_decay` is decoupled: it shrinks the weights beside the step. Published recipes are mostly
    PyTorch's, where the decay is coupled and applies to all parameters, including biases and BatchNorm. There the
    velocity is one of gradients, too: v = momentum v + g, and the step is rate times v, so that a fall of the learning
    rate takes effect at once. In Keras' own SGD the velocity goes on at the rates of its gradients.

    Args:
        learning_rate: Float, or a `keras.optimizers.schedules.LearningRateSchedule`. Defaults to 0.01.
        momentum: Float in [0, 1). Defaults to 0.0.
        l2: Float, at least 0. The weight decay. Defaults to 0.0.
        **kwargs: Other arguments of `keras.optimizers.SGD`.

    Raises:
        InvalidInputError: If a number is negative or not finite, `momentum` is not below 1, or `learning_rate` is
            neither a number nor a schedule.

    Example:

    >>> distiller.compile(dk.optimizers.CoupledSGD(0.1, momentum=0.9, l2=5e-4), synthesis_optimizer="adam")
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, l2: float = 0.0, **kwargs: Any):
        if not isinstance(learning_rate, LearningRateSchedule):
            check_numbers("CoupledSGD", learning_rate=learning_rate)
            learning_rate = float(learning_rate)  # neither optimizers nor variables work with numbers of NumPy
        check_fractions("CoupledSGD", momentum=momentum)
        check_numbers("CoupledSGD", l2=l2)
        super().__init__(learning_rate=learning_rate, momentum=float(momentum), **kwargs)
        self.l2 = float(l2)

    def apply(self, grads: list, trainable_variables: list | None = None) -> Any:
        """Updates variables by their gradients plus the decay.

        Args:
            grads: List of tensors. One gradient per variable, or `None`.
            trainable_variables: List of variables. Defaults to those that the optimizer was built on.
        """
        variables = trainable_variables or keras_internals.optimizer_variables_to_update(self)
        grads = [
            gradient if gradient is None else gradient + self.l2 * variable
            for gradient, variable in zip(grads, variables, strict=True)
        ]
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Updates a variable by its gradient, to which the decay is already added."""
        learning_rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        if self.momentum:
            velocity = keras_internals.momentum_of(self, variable)
            self.assign(velocity, self.momentum * velocity + step)
            step = self.momentum * velocity + step if self.nesterov else velocity
        self.assign_sub(variable, learning_rate * step)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package=PACKAGE)
class CosineDecayOverTraining(LearningRateSchedule):
    """Cosine decay from the initial to the final learning rate over all updates of a training, however many.

    Training sets the number of updates by `set_total_updates`: `DataFreeDistiller.fit` that of its schedule, and
    `TeacherRecipe` that of the teacher's training.

    Args:
        initial_learning_rate: Float. Learning rate at the first update.
        final_learning_rate: Float. Learning rate after the last update. Defaults to 0.0.
        updates: Integer. Number of updates. Defaults to `None`, for the training to set.

    Raises:
        InvalidInputError: If a learning rate is negative or not finite, or the number of updates is below 1.

    Example:

    >>> optimizer = keras.optimizers.SGD(dk.optimizers.CosineDecayOverTraining(0.2, 2e-4), momentum=0.9)
    """

    def __init__(self, initial_learning_rate: float, final_learning_rate: float = 0.0, updates: int | None = None):
        rates = {"initial_learning_rate": initial_learning_rate, "final_learning_rate": final_learning_rate}
        check_numbers("CosineDecayOverTraining", **rates)
        check_counts("CosineDecayOverTraining", **given(updates=updates))
        self.initial_learning_rate, self.final_learning_rate = initial_learning_rate, final_learning_rate
        self.updates = updates

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at an update, counted from 0.

        Raises:
            InvalidInputError: If the number of updates is not known.
        """
        if self.updates is None:
            raise InvalidInputError(
                "CosineDecayOverTraining does not know the number of updates: train by DataFreeDistiller.fit, or give "
                "CosineDecayOverTraining.updates."
            )
        progress = ops.minimum(ops.cast(step, "float32") / self.updates, 1.0)
        height = self.initial_learning_rate - self.final_learning_rate
        return self.final_learning_rate + 0.5 * height * (1.0 + ops.cos(math.pi * progress))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "final_learning_rate": self.final_learning_rate,
            "updates": self.updates,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScaledRate(LearningRateSchedule):
    """Another schedule's learning rate times a factor.

    Args:
        schedule: A `keras.optimizers.schedules.LearningRateSchedule`.
        factor: Float, above 0.

    Raises:
        InvalidInputError: If `schedule` is of another kind, or `factor` is not positive and finite.
    """

    def __init__(self, schedule: LearningRateSchedule, factor: float):
        check_kinds("ScaledRate", LearningRateSchedule, schedule=schedule)
        check_positive("ScaledRate", factor=factor)
        self.schedule, self.factor = schedule, factor

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at an update, counted from 0."""
        return self.factor * self.schedule(step)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name, the schedule serialized."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ScaledRate":
        """Rebuilds the schedule from the values of `get_config()`."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["factor"])


def scale_learning_rate(optimizer: keras.optimizers.Optimizer, factor: float, included: float = 1.0) -> None:
    """Multiplies an optimizer's learning rate by a factor.

    Args:
        optimizer: A `keras.optimizers.Optimizer`. Its state may have been loaded from a checkpoint.
        factor: Float, above 0. Relative to the learning rate that the optimizer was made with.
        included: Float. The factor that a loaded state, which holds a constant rate, includes already. Defaults to 1.0.
    """
    optimizer = inner_optimizer(optimizer)
    rate = keras_internals.learning_rate(optimizer)
    if isinstance(rate, LearningRateSchedule):
        keras_internals.set_learning_rate(optimizer, ScaledRate(rate, factor))
    else:
        rate.assign(rate * (factor / included))


def set_total_updates(optimizer: keras.optimizers.Optimizer, updates: int) -> bool:
    """Sets the length of a `CosineDecayOverTraining`; leaves any other learning rate as it is.

    Args:
        optimizer: A `keras.optimizers.Optimizer`.
        updates: Integer. Number of updates of the whole training.

    Returns:
        Boolean. Whether the length changed, so that steps compiled before are out of date.
    """
    schedule = keras_internals.learning_rate(inner_optimizer(optimizer))
    schedule = schedule.schedule if isinstance(schedule, ScaledRate) else schedule
    if not isinstance(schedule, CosineDecayOverTraining) or schedule.updates == updates:
        return False
    schedule.updates = updates
    return True


def check_resettable(optimizer: keras.optimizers.Optimizer, role: str) -> None:
    """Checks that an optimizer can be reset, as it is at the beginning of every round, see `OptimizerState.reset`.

    Args:
        optimizer: A `keras.optimizers.Optimizer`.
        role: String. What the optimizer is for, as the error message says it.

    Raises:
        InvalidInputError: If resetting would not bring back its first state.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise InvalidInputError(
            f"{role} is reset in every round, and the synthesizer itself scales the loss under mixed_float16: give "
            "the inner optimizer alone."
        )
    if isinstance(keras_internals.learning_rate(optimizer), LearningRateSchedule):
        raise InvalidInputError(
            f"{role} is reset in every round, and so would its learning rate schedule be: give a constant rate."
        )
    if optimizer.use_ema:
        raise InvalidInputError(f"{role} is reset in every round, and so would its averages be: leave out use_ema.")
    if isinstance(optimizer, (keras.optimizers.Adagrad, keras.optimizers.Ftrl, keras.optimizers.Nadam)):
        raise InvalidInputError(f"{role}, {optimizer.name!r}, cannot be reset in every round: use Adam or SGD.")
