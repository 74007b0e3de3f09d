"""Learning rates whose length follows the training, and the scaling of any optimizer's rate."""

import math
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.precision import inner_optimizer
from dfkd_keras.utils.checks import check_counts, check_kinds, check_numbers, check_positive, given
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import PACKAGE

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


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


def checked_rate(optimizer: str, learning_rate: Any) -> float | LearningRateSchedule:
    """Returns a learning rate as optimizers take it; they do not work with numbers of NumPy.

    Args:
        optimizer: String. Name of the optimizer, for the error message.
        learning_rate: Float, at least 0, or a `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        InvalidInputError: If it is neither, or a number that is negative or not finite.
    """
    if isinstance(learning_rate, LearningRateSchedule):
        return learning_rate
    check_numbers(optimizer, learning_rate=learning_rate)
    return float(learning_rate)
