"""Blocks that the networks share, with PyTorch's conventions where published figures depend on them."""

import math
from typing import Any

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.utils.checks import check_counts, check_kinds, check_shape, given
from dfkd_keras.utils.errors import InvalidInputError


def check_network(
    owner: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    normalization: Normalization | None,
    name: str | None = None,
) -> None:
    """Checks the arguments that all classifiers and segmenters take.

    Args:
        owner: String. Name of the function that builds the network, for the message.
        image_shape: Tuple of three integers; None stands for any height or width.
        num_classes: Integer.
        normalization: `Normalization`, or None.
        name: String. Defaults to None, a name of Keras' choice.

    Raises:
        InvalidInputError: If one of them is not what it should be.
    """
    check_shape(owner, 3, any_size=True, image_shape=image_shape)
    check_counts(owner, num_classes=num_classes)
    check_kinds(owner, Normalization, **given(normalization=normalization))
    check_kinds(owner, str, **given(name=name))


def image_input(image_shape: tuple[int, int, int], normalization: Normalization | None) -> tuple[Any, Any]:
    """Returns the input of a network, and the tensor that its first layer takes.

    Args:
        image_shape: Tuple of three integers. Height, width and channels.
        normalization: `Normalization` to apply to the images, or None.

    Returns:
        The symbolic input `[B, H, W, C]`, and the same normalized; twice the input without a normalization.

    Raises:
        InvalidInputError: If the normalization has another number of channels.
    """
    inputs = layers.Input(image_shape, name="images")
    if normalization is None:
        return inputs, inputs
    channels = image_shape[-1]
    mean, std = (
        list(values) * (channels if len(values) == 1 else 1) for values in (normalization.mean, normalization.std)
    )
    if len(mean) != channels:
        raise InvalidInputError(
            f"Normalization.mean={normalization.mean} does not fit images of {channels} channels: give one value, or "
            "one per channel."
        )
    return inputs, layers.Normalization(mean=mean, variance=[value**2 for value in std], name="normalize")(inputs)


def fan_in_uniform(fan_in: int) -> dict[str, keras.initializers.Initializer]:
    """Returns initializers of kernel and bias in U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default."""
    limit = 1.0 / math.sqrt(fan_in)
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-limit, limit),
        "bias_initializer": keras.initializers.RandomUniform(-limit, limit),
    }


def he_fan_out() -> keras.initializers.Initializer:
    """Returns the initializer of kernels that residual networks and VGG use: He's, untruncated, by the fan-out."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def dense(x: Any, units: int, **kwargs: Any) -> Any:
    """Applies a dense layer with PyTorch's initialization; Keras takes no units as NumPy's integers."""
    return layers.Dense(int(units), **{**fan_in_uniform(x.shape[-1]), **kwargs})(x)


def convolution(x: Any, filters: int, size: int, **kwargs: Any) -> Any:
    """Applies a convolution with bias and PyTorch's initialization."""
    return layers.Conv2D(filters, size, **fan_in_uniform(size * size * x.shape[-1]), **kwargs)(x)


def batch_norm(x: Any, epsilon: float = 1e-5, **kwargs: Any) -> Any:
    """Applies BatchNorm with PyTorch's momentum and epsilon."""
    return layers.BatchNormalization(momentum=0.9, epsilon=epsilon, **kwargs)(x)


def batch_norm_relu(x: Any) -> Any:
    """Applies BatchNorm with PyTorch's momentum and epsilon, then ReLU."""
    return layers.ReLU()(batch_norm(x))


def residual_convolution(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    """Applies a convolution without bias and with He's initialization, padded equally on all sides when it strides."""
    padding = "same"
    if stride > 1 and size > 1:  # "same" would pad only below and right
        x, padding = layers.ZeroPadding2D(size // 2)(x), "valid"
    elif stride > 1:  # pooling of single pixels: oneDNN's own stride writes beyond its memory where channels are few
        x, stride = layers.AveragePooling2D(1, stride)(x), 1
    return layers.Conv2D(filters, size, stride, padding=padding, use_bias=False, kernel_initializer=he_fan_out())(x)


def convolution_norm(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    """Applies `residual_convolution`, then BatchNorm."""
    return batch_norm(residual_convolution(x, filters, size, stride))


def convolution_norm_relu(x: Any, filters: int, size: int, stride: int = 1) -> Any:
    """Applies `residual_convolution`, then BatchNorm and ReLU."""
    return batch_norm_relu(residual_convolution(x, filters, size, stride))


def residual_branch(x: Any, filters: int, stride: int) -> Any:
    """Applies the two 3x3 convolutions of a basic residual block (He et al., 2016), up to the sum."""
    return convolution_norm(convolution_norm_relu(x, filters, 3, stride), filters, 3)
