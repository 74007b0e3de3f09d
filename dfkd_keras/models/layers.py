"""Layers of our own, where the stock ones do needless work or are missing."""

from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.models.blocks import fan_in_uniform
from dfkd_keras.utils.serialization import PACKAGE

# Which of the 3 hooks on the doubled image fall on each of the 2 source pixels, for even and for odd positions.
TAPS = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype="float32")
# Which of the 3 hooks carry a source pixel to each of the 4 positions that it reaches on the doubled image.
REACH = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype="float32")


@keras.saving.register_keras_serializable(package=PACKAGE)
class UpsamplingConvolution(keras.layers.Layer):
    """Nearest up-sampling by 2 and a 3x3 "same" convolution in one, at 4/9 of the multiplications.

    On an image doubled by repetition, neighboring hooks of a 3x3 kernel meet the same source pixel; they are summed
    first. The result equals `Conv2D(filters, 3, padding="same")(UpSampling2D()(x))` with the same weights. There are
    two ways to it: a transposed convolution with a 4x4 kernel, the fastest one on TensorFlow, and a 2x2 kernel for
    each of the four output phases, for XLA, which on CPUs makes the other one twenty times slower.

    Args:
        filters: output channels.
        use_bias: whether a bias is added.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        x: `[B, H, W, C]`; the result is `[B, 2H, 2W, filters]`.
    """

    def __init__(self, filters: int, use_bias: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.use_bias = filters, use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates kernel `[3, 3, C, filters]` and bias with PyTorch's initialization."""
        channels = input_shape[-1]
        initializers = fan_in_uniform(9 * channels)
        self.kernel = self.add_weight(
            shape=(3, 3, channels, self.filters), initializer=initializers["kernel_initializer"], name="kernel"
        )
        self.bias = 0.0
        if self.use_bias:
            bias_initializer = initializers["bias_initializer"]
            self.bias = self.add_weight(shape=(self.filters,), initializer=bias_initializer, name="bias")

    def call(self, x: Any) -> Any:
        """Applies the layer."""
        upsampled = _transposed if keras.backend.backend() == "tensorflow" else _by_phases
        return upsampled(x, ops.cast(self.kernel, self.compute_dtype)) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `[B, 2H, 2W, filters]`."""
        batch, height, width, _ = input_shape
        return batch, 2 * height, 2 * width, self.filters

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "filters": self.filters, "use_bias": self.use_bias}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalResponseNormalization(keras.layers.Layer):
    """Divides every activation by the energy of its neighboring channels (Krizhevsky et al., NeurIPS 2012).

    y_c = x_c / (bias + alpha sum_j x_j^2)^beta, the sum over the channels from c - radius to c + radius.

    Args:
        radius: of the neighborhood, in channels.
        bias: at least 1.
        alpha: factor on the energy.
        beta: exponent.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, radius: int = 2, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any):
        super().__init__(**kwargs)
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta

    def call(self, x: Any) -> Any:
        """Normalizes `[B, H, W, C]`."""
        channels = np.arange(x.shape[-1])
        near = np.abs(channels[:, None] - channels) <= self.radius
        energy = ops.matmul(ops.square(ops.cast(x, "float32")), ops.cast(near, "float32"))
        return x / ops.cast(ops.power(self.bias + self.alpha * energy, self.beta), x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the outputs, that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        own = {"radius": self.radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


def _transposed(x: Any, kernel: Any) -> Any:
    reach = ops.cast(REACH, kernel.dtype)
    return ops.conv_transpose(x, ops.einsum("ai,bj,ijcf->abfc", reach, reach, kernel), strides=2, padding="same")


def _by_phases(x: Any, kernel: Any) -> Any:
    (_, height, width, channels), filters = x.shape, kernel.shape[-1]
    hooks = ops.cast(TAPS, kernel.dtype)
    phases = ops.reshape(ops.einsum("pai,qbj,ijcf->abcpqf", hooks, hooks, kernel), (2, 2, channels, 4 * filters))
    y = ops.conv(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), phases, padding="valid")
    y = ops.reshape(y, (-1, height + 1, width + 1, 2, 2, filters))
    rows = [ops.stack([y[:, p : p + height, q : q + width, p, q] for q in (0, 1)], axis=3) for p in (0, 1)]
    return ops.reshape(ops.stack(rows, axis=2), (-1, 2 * height, 2 * width, filters))
