"""SGD as published recipes have it, with coupled weight decay."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.optimizers.rates import checked_rate
from dfkd_keras.utils.checks import check_fractions, check_numbers
from dfkd_keras.utils.serialization import PACKAGE


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
        check_fractions("CoupledSGD", momentum=momentum)
        check_numbers("CoupledSGD", l2=l2)
        super().__init__(learning_rate=checked_rate("CoupledSGD", learning_rate), momentum=float(momentum), **kwargs)
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
