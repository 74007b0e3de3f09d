"""Muon for the kernels of convolutions."""

import math
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.optimizers.rates import checked_rate
from dfkd_keras.utils.checks import check_fractions, check_positive
from dfkd_keras.utils.serialization import PACKAGE

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of x, x³ and x⁵
ITERATIONS = 5
LARGEST_SIDE = 256  # the cost of the iterations grows with the square of the shorter side
ROOT_MEAN_SQUARE = 0.2  # of a step of Adam's


@keras.saving.register_keras_serializable(package=PACKAGE)
class Muon(keras.optimizers.Adam):
    """Momentum orthogonalized by Newton-Schulz iterations, for the kernels of convolutions; Adam for all else.

    A kernel [h, w, C_in, C_out] is taken for a matrix of h w C_in rows and C_out columns, all of whose singular values
    the update makes nearly equal, so that it changes the outputs along rare directions as much as along frequent ones.
    `keras.optimizers.Muon` does so for matrices alone. Adam updates biases, BatchNorm, depthwise kernels, and dense
    layers and kernels whose shorter side is above 256, for which the iterations could cost more than the rest of an
    update. Steps are scaled to the root mean square of Adam's, 0.2 times the root of the longer side.

    Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al., *Muon is Scalable for
    LLM Training*, 2025 (arXiv 2502.16982), Eq. 4, for the scale.

    Args:
        learning_rate: Float, or a `keras.optimizers.schedules.LearningRateSchedule`. Defaults to 0.001.
        momentum: Float in [0, 1). Of the orthogonalized kernels, in Nesterov's form. Defaults to 0.95.
        adam_lr_ratio: Float, above 0. Adam's learning rate in parts of the learning rate. Defaults to 1.0.
        **kwargs: Other arguments of `keras.optimizers.Adam`.

    Raises:
        InvalidInputError: If a number is negative or not finite, `momentum` is not below 1, or `learning_rate` is
            neither a number nor a schedule.

    Example:

    >>> distiller.compile(dk.optimizers.Muon(dk.optimizers.CosineDecayOverTraining(0.002)), synthesis_optimizer="adam")
    """

    def __init__(self, learning_rate: Any = 0.001, momentum: float = 0.95, adam_lr_ratio: float = 1.0, **kwargs: Any):
        check_fractions("Muon", momentum=momentum)
        check_positive("Muon", adam_lr_ratio=adam_lr_ratio)
        super().__init__(learning_rate=checked_rate("Muon", learning_rate), **kwargs)
        self.momentum, self.adam_lr_ratio = float(momentum), float(adam_lr_ratio)

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Updates a variable by its gradient."""
        if not _is_orthogonalized(tuple(variable.shape)):
            super().update_step(gradient, variable, self.adam_lr_ratio * learning_rate)
            return
        gradient, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
        velocity = keras_internals.first_moment_of(self, variable)
        self.assign(velocity, self.momentum * velocity + gradient)
        matrix = ops.reshape(gradient + self.momentum * velocity, (-1, variable.shape[-1]))
        scale = ROOT_MEAN_SQUARE * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, rate * scale * ops.reshape(orthogonalized(matrix), variable.shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        return {**super().get_config(), "momentum": self.momentum, "adam_lr_ratio": self.adam_lr_ratio}


def orthogonalized(matrix: Any) -> Any:
    """Returns the matrix of the same singular vectors whose singular values are nearly 1, roughly within 0.3.

    Args:
        matrix: Tensor [rows, columns]. Singular values far below the largest stay small.
    """
    a, b, c = NEWTON_SCHULZ
    is_high = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if is_high else matrix
    x = x / (ops.norm(x) + 1e-7)
    for _ in range(ITERATIONS):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if is_high else x


def _is_orthogonalized(shape: tuple[int, ...]) -> bool:
    is_convolution = len(shape) == 4 and shape[-1] > 1  # of one filter: depthwise
    return is_convolution and min(math.prod(shape[:-1]), shape[-1]) <= LARGEST_SIDE
