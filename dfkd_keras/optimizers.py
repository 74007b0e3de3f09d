"""Optimization as the published recipes have it: coupled weight decay, a cosine over the whole training."""

import math
from typing import Any

import keras
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import PACKAGE

__all__ = ["CosineDecayOverTraining", "CoupledSGD"]


@keras.saving.register_keras_serializable(package=PACKAGE)
class CoupledSGD(keras.optimizers.SGD):
    """SGD whose decay is an L2 penalty inside the gradient, g + decay * w, and so passes through the momentum.

    Keras' own `weight_decay` shrinks the weights beside the step instead. Published recipes are PyTorch's: coupled,
    and on all parameters, biases and BatchNorm included.

    Args:
        learning_rate: a float or a Keras schedule.
        momentum: in [0, 1).
        l2: the decay, at least 0.
        **kwargs: of `keras.optimizers.SGD`.
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(learning_rate=learning_rate, momentum=momentum, **kwargs)
        self.l2 = l2

    def apply(self, grads: list, trainable_variables: list | None = None) -> Any:
        """StepKind the variables by their gradients plus the decay."""
        variables = trainable_variables or self._trainable_variables
        grads = [
            gradient if gradient is None else gradient + self.l2 * variable
            for gradient, variable in zip(grads, variables, strict=True)
        ]
        return super().apply(grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package=PACKAGE)
class CosineDecayOverTraining(keras.optimizers.schedules.LearningRateSchedule):
    """A cosine from the initial to the final rate over all updates of a training, however many there are.

    Whoever trains tells the number of updates (`span`): `DataFreeDistiller.fit`, those of its schedule, and
    `TeacherRecipe`.

    Args:
        initial_learning_rate: at the first update.
        final_learning_rate: after the last one, and beyond.
        updates: over how many; set by `span`.
    """

    def __init__(self, initial_learning_rate: float, final_learning_rate: float = 0.0, updates: int | None = None):
        self.initial_learning_rate, self.final_learning_rate = initial_learning_rate, final_learning_rate
        self.updates = updates

    def __call__(self, step: Any) -> Any:
        """Returns the rate at an update, counted from 0."""
        if self.updates is None:
            raise InvalidInputError(
                "CosineDecayOverTraining does not know the number of updates: train by DataFreeDistiller.fit, or give "
                "CosineDecayOverTraining.updates."
            )
        progress = ops.minimum(ops.cast(step, "float32") / self.updates, 1.0)
        height = self.initial_learning_rate - self.final_learning_rate
        return self.final_learning_rate + 0.5 * height * (1.0 + ops.cos(math.pi * progress))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "final_learning_rate": self.final_learning_rate,
            "updates": self.updates,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class ScaledRate(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule's rate times a factor.

    Args:
        schedule: a Keras schedule.
        factor: above 0.
    """

    def __init__(self, schedule: Any, factor: float):
        self.schedule, self.factor = schedule, factor

    def __call__(self, step: Any) -> Any:
        """Returns the rate at an update, counted from 0."""
        return self.factor * self.schedule(step)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, the schedule serialized."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ScaledRate":
        """Rebuilds it from `get_config()`'s values."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["factor"])


def scale_learning_rate(optimizer: keras.optimizers.Optimizer, factor: float, included: float = 1.0) -> None:
    """Multiplies an optimizer's learning rate by a factor.

    Args:
        optimizer: its state may have been loaded.
        factor: of the rate that it was made with.
        included: the part of it that the loaded state, to which a constant rate belongs, has in it already.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        optimizer._learning_rate = ScaledRate(
            rate, factor
        )  # the public setter asks what the rate is, before set_total_updates()
    else:
        rate.assign(rate * (factor / included))


def set_total_updates(optimizer: keras.optimizers.Optimizer, updates: int) -> bool:
    """Tells an optimizer's schedule, if it wants to know, how many updates will be made in all; True if that is new."""
    schedule = getattr(getattr(optimizer, "inner_optimizer", optimizer), "_learning_rate", None)
    schedule = schedule.schedule if isinstance(schedule, ScaledRate) else schedule
    if not isinstance(schedule, CosineDecayOverTraining) or schedule.updates == updates:
        return False
    schedule.updates = updates
    return True


def check_resettable(optimizer: keras.optimizers.Optimizer, role: str) -> None:
    """Raises ValueError if an optimizer would not be as new when it is restarted, as it is in every round."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise InvalidInputError(
            f"{role} starts over in every round, and the synthesizer itself scales the loss under mixed_float16: give "
            "the inner optimizer alone."
        )
    if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        raise InvalidInputError(f"{role} starts over in every round, and so would its schedule: give a constant rate.")
    if isinstance(optimizer, (keras.optimizers.Adagrad, keras.optimizers.Ftrl, keras.optimizers.Nadam)):
        raise InvalidInputError(f"{role}, {optimizer.name!r}, cannot start over in every round: use Adam or SGD.")
