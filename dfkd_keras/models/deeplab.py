"""Small segmenter after DeepLabV3+ (Chen et al., ECCV 2018); keras-cv's are in keras_cv_deeplab.py."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import (
    batch_norm_relu,
    check_network,
    convolution_norm,
    convolution_norm_relu,
    image_input,
    residual_branch,
)
from dfkd_keras.utils.checks import check_counts, check_shape, entries
from dfkd_keras.utils.errors import InvalidInputError


def small_deeplab(
    image_shape: tuple[int, int, int] = (64, 64, 3),
    num_classes: int = 5,
    width: int = 16,
    blocks: int = 1,
    rates: Sequence[int] = (2, 4),
    normalization: Normalization | None = None,
    name: str = "small_deeplab",
) -> keras.Model:
    """Builds a segmenter in the manner of DeepLabV3+ that trains on 2 CPU cores.

    It has a convolution at 1/2 of the image's size and residual stages at 1/4 and 1/8. At 1/8, a 1x1 convolution,
    atrous convolutions and the mean over the image stand side by side; their upsampled mixture meets the features at
    1/4, and the logits there are upsampled bilinearly.

    Args:
        image_shape: Tuple of three integers. Height and width (both divisible by 8) and channels. Defaults to
            `(64, 64, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 5.
        width: Integer. Channels of the first stage; the others have 2 and 4 times as many. Defaults to 16.
        blocks: Integer. Residual blocks in each of the last two stages. Defaults to 1 (133,717 parameters at the
            defaults).
        rates: Sequence of integers. Dilation rates of the atrous convolutions. Defaults to `(2, 4)`.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        name: String. Name of the model. Defaults to "small_deeplab".

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, H, W, K]`.

    Raises:
        InvalidInputError: If height or width is not divisible by 8, or another argument is not what it should be.

    Example:
        >>> dk.models.small_deeplab((64, 64, 3), num_classes=5, width=8).output_shape
        (None, 64, 64, 5)
    """
    check_network("small_deeplab", image_shape, num_classes, normalization, name)
    check_shape("small_deeplab", 3, image_shape=image_shape)
    check_counts("small_deeplab", width=width, blocks=blocks)
    check_counts("small_deeplab", **entries("small_deeplab", rates=rates))
    if image_shape[0] % 8 or image_shape[1] % 8:
        raise InvalidInputError(f"small_deeplab.image_shape={image_shape}: height and width must be divisible by 8.")
    inputs, x = image_input(image_shape, normalization)
    x = convolution_norm_relu(x, width, 3, stride=2)
    maps = []
    for filters in (2 * width, 4 * width):
        for block in range(blocks):
            x = _residual_block(x, filters, stride=1 if block else 2)
        maps.append(x)
    fine, coarse = maps
    mixed = convolution_norm_relu(_pyramid(coarse, 2 * width, rates), 2 * width, 1)
    mixed = layers.UpSampling2D(2, interpolation="bilinear")(mixed)
    x = layers.Concatenate()([mixed, convolution_norm_relu(fine, width, 1)])
    x = convolution_norm_relu(x, 2 * width, 3)
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(inputs, layers.UpSampling2D(4, interpolation="bilinear", dtype="float32")(logits), name=name)


def _residual_block(x: Any, filters: int, stride: int) -> Any:
    branch, shortcut = residual_branch(x, filters, stride), x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = convolution_norm(x, filters, 1, stride)
    return layers.ReLU()(layers.Add()([branch, shortcut]))


def _pyramid(x: Any, filters: int, rates: Sequence[int]) -> Any:
    """Concatenates views of a map: each position, its surroundings at several distances, and the whole image."""
    views = [convolution_norm_relu(x, filters, 1)]
    for rate in rates:
        views.append(batch_norm_relu(layers.Conv2D(filters, 3, padding="same", dilation_rate=rate, use_bias=False)(x)))
    mean = convolution_norm_relu(layers.GlobalAveragePooling2D(keepdims=True)(x), filters, 1)
    views.append(layers.UpSampling2D(x.shape[1:3], interpolation="nearest")(mean))
    return layers.Concatenate()(views)
