"""Whether an optimizer can be set back to its state before the first update."""

import keras

from dfkd_keras.backend import keras_internals
from dfkd_keras.utils.errors import InvalidInputError

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


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
