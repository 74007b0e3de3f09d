"""SGD as PyTorch defines its weight decay."""

from typing import Any

import keras

from dfkd_keras.serialization import PACKAGE


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
        """Updates the variables by their gradients plus the decay."""
        variables = trainable_variables or self._trainable_variables
        grads = [
            gradient if gradient is None else gradient + self.l2 * variable
            for gradient, variable in zip(grads, variables, strict=True)
        ]
        return super().apply(grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}
