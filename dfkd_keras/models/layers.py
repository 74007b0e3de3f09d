"""Custom layers, where Keras' own do needless work or are missing."""

from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.models.blocks import fan_in_uniform
from dfkd_keras.utils.checks import check_counts, check_flags, check_numbers
from dfkd_keras.utils.serialization import PACKAGE

# Which of the kernel's 3 weights fall on each of the 2 source pixels, for even and for odd positions.
PHASES = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype="float32")
# Which of the kernel's 3 weights carry a source pixel to each of the 4 positions that it reaches.
REACH = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype="float32")


@keras.saving.register_keras_serializable(package=PACKAGE)
class UpsamplingConvolution(keras.layers.Layer):
    """Nearest upsampling by 2 and a 3x3 "same" convolution in one, with 4/9 of the multiplications.

    On an image doubled by repetition, neighboring weights of a 3x3 kernel meet the same source pixel; they are summed
    first. The result equals `Conv2D(filters, 3, padding="same")(UpSampling2D()(x))` with the same weights. It is
    computed as a transposed convolution with a 4x4 kernel, the fastest way on TensorFlow, or with a 2x2 kernel for each
    of the four output phases, for XLA, which makes the first way twenty times slower on CPUs.

    Args:
        filters: Integer. Number of output channels.
        use_bias: Boolean. Whether a bias is added. Defaults to True.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        InvalidInputError: If `filters` is below 1, or `use_bias` is no Boolean.

    Call arguments:
        x: Tensor `[B, H, W, C]`.

    Returns:
        Tensor `[B, 2H, 2W, filters]`.
    """

    def __init__(self, filters: int, use_bias: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        check_counts("UpsamplingConvolution", filters=filters)
        check_flags("UpsamplingConvolution", use_bias=use_bias)
        self.filters, self.use_bias = filters, use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the kernel `[3, 3, C, filters]` and the bias with PyTorch's initialization."""
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
        """Returns the constructor's arguments by name."""
        return {**super().get_config(), "filters": self.filters, "use_bias": self.use_bias}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LocalResponseNormalization(keras.layers.Layer):
    """Divides every activation by the energy of its neighboring channels.

    y_c = x_c / (bias + alpha sum_j x_j^2)^beta, where the sum is over the channels from c - radius to c + radius. The
    defaults are AlexNet's, but for the bias, which is 2 there and 1 in ZSKD's code.

    Args:
        radius: Integer. Radius of the neighborhood, in channels. Defaults to 2.
        bias: Float, at least 1. Added to the energy. Defaults to 1.
        alpha: Float, at least 0. Factor of the energy. Defaults to 1e-4.
        beta: Float, at least 0. Exponent. Defaults to 0.75.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        InvalidInputError: If a number is below its minimum or not finite.

    Reference:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012, section 3.3.
    """

    def __init__(self, radius: int = 2, bias: float = 1.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any):
        super().__init__(**kwargs)
        check_counts("LocalResponseNormalization", minimum=0, radius=radius)
        check_numbers("LocalResponseNormalization", minimum=1.0, bias=bias)
        check_numbers("LocalResponseNormalization", alpha=alpha, beta=beta)
        self.radius, self.bias, self.alpha, self.beta = radius, bias, alpha, beta

    def call(self, x: Any) -> Any:
        """Normalizes `[B, H, W, C]`."""
        channels = np.arange(x.shape[-1])
        near = np.abs(channels[:, None] - channels) <= self.radius
        energy = ops.matmul(ops.square(ops.cast(x, "float32")), ops.cast(near, "float32"))
        return x / ops.cast(ops.power(self.bias + self.alpha * energy, self.beta), x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
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
    phases = ops.cast(PHASES, kernel.dtype)
    kernels = ops.reshape(ops.einsum("pai,qbj,ijcf->abcpqf", phases, phases, kernel), (2, 2, channels, 4 * filters))
    y = ops.conv(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernels, padding="valid")
    y = ops.reshape(y, (-1, height + 1, width + 1, 2, 2, filters))
    rows = [ops.stack([y[:, p : p + height, q : q + width, p, q] for q in (0, 1)], axis=3) for p in (0, 1)]
    return ops.reshape(ops.stack(rows, axis=2), (-1, 2 * height, 2 * width, filters))
