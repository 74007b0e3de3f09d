"""Muon for the kernels of convolutions."""

import math
import re
from typing import Any

import keras
from keras import ops

from dfkd_keras.optimizers.rates import checked_rate
from dfkd_keras.utils.checks import check_fractions, check_numbers, given
from dfkd_keras.utils.serialization import PACKAGE

LARGEST_SIDE = 256  # the cost of the iterations grows with the square of the shorter side


@keras.saving.register_keras_serializable(package=PACKAGE)
class Muon(keras.optimizers.Muon):
    """Momentum orthogonalized by Newton-Schulz iterations, for the kernels of convolutions.

    A kernel [h, w, C_in, C_out] is taken for a matrix of h w C_in rows and C_out columns, all of whose singular values
    the update makes nearly equal, so that it changes the outputs along rare directions as much as along frequent ones.
    Keras' own Muon does so for matrices alone. All else is updated by Adam, at the same learning rate: biases,
    BatchNorm, depthwise kernels, and dense layers and kernels whose shorter side is above 256, for which the iterations
    could cost more than the rest of an update. Steps are scaled to the root mean square of Adam's (0.2 times
    the root of the longer side), and there is no weight decay unless given.

    Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al., *Muon is Scalable for
    LLM Training*, 2025 (arXiv 2502.16982), Eq. 4, for the scale.

    Args:
        learning_rate: Float, or a `keras.optimizers.schedules.LearningRateSchedule`. Defaults to 0.001.
        momentum: Float in [0, 1). Defaults to 0.95.
        weight_decay: Float, at least 0. Decoupled, of the kernels. Defaults to `None`, no decay.
        **kwargs: Other arguments of `keras.optimizers.Muon`.

    Raises:
        InvalidInputError: If a number is negative or not finite, `momentum` is not below 1, or `learning_rate` is
            neither a number nor a schedule.

    Example:

    >>> distiller.compile(dk.optimizers.Muon(dk.optimizers.CosineDecayOverTraining(0.002)), synthesis_optimizer="adam")
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        momentum: float = 0.95,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        check_fractions("Muon", momentum=momentum)
        check_numbers("Muon", **given(weight_decay=weight_decay))
        super().__init__(
            learning_rate=checked_rate("Muon", learning_rate),
            momentum=float(momentum),
            weight_decay=weight_decay,
            **{"adam_weight_decay": None} | kwargs,
        )

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Returns a kernel of nearly equal singular values, with the singular vectors of the one given."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x: Any) -> Any:
        """Returns an update scaled by the longer side of its matrix."""
        if self.rms_rate is None:
            return x
        return x * (self.rms_rate * math.sqrt(max(math.prod(x.shape[:-1]), x.shape[-1])))

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        *inputs, filters = variable.shape
        is_convolution = len(inputs) == 3 and filters > 1  # of one filter: depthwise
        is_excluded = any(re.search(each, variable.path) for each in self.exclude_layers)
        return is_excluded or not is_convolution or min(math.prod(inputs), filters) > LARGEST_SIDE
