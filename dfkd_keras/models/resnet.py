"""Residual networks (He et al., 2016) in their CIFAR forms."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import (
    check_network,
    convolution_norm,
    convolution_norm_relu,
    dense,
    image_input,
    residual_branch,
)
from dfkd_keras.utils.checks import check_choices, check_counts
from dfkd_keras.utils.errors import InvalidInputError

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def resnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 18,
) -> keras.Model:
    """Builds ResNet-18 or ResNet-34 with a 3x3 stem and no first pooling, as the papers use them on 32x32 images.

    Args:
        image_shape: Tuple of three integers. Height, width and channels. Defaults to `(32, 32, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        depth: Integer. 18 layers (11,173,962 parameters at the defaults) or 34 (21,282,122). Defaults to 18.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If the depth is another one, or another argument is not what it should be.

    Example:
        >>> dk.models.resnet((32, 32, 3), num_classes=10, depth=18).output_shape
        (None, 10)
    """
    check_network("resnet", image_shape, num_classes, normalization)
    check_choices("resnet", BLOCKS, depth=depth)  # cifar_resnet has 8, 14, 20, ...
    inputs, x = image_input(image_shape, normalization)
    logits = _residual_network(x, num_classes, BLOCKS[depth], (64, 128, 256, 512), _projection)
    return keras.Model(inputs, logits, name=f"resnet{depth}")


def cifar_resnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 20,
) -> keras.Model:
    """Builds the slim CIFAR network of He et al. (2016), with 6n + 2 layers and parameter-free shortcuts.

    Args:
        image_shape: Tuple of three integers. Height, width and channels. Defaults to `(32, 32, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        depth: Integer. Number of layers: 8, 14, 20, 32, 44, 56, ... Defaults to 20 (269,722 parameters at the
            defaults).

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If the depth is not 6n + 2, or another argument is not what it should be.

    Example:
        >>> dk.models.cifar_resnet((32, 32, 3), num_classes=10, depth=8).output_shape
        (None, 10)
    """
    check_network("cifar_resnet", image_shape, num_classes, normalization)
    check_counts("cifar_resnet", depth=depth)
    if depth < 8 or (depth - 2) % 6:
        raise InvalidInputError(f"cifar_resnet.depth={depth} must be 6n + 2 with n >= 1: 8, 14, 20, 32, 44, 56, ...")
    inputs, x = image_input(image_shape, normalization)
    logits = _residual_network(x, num_classes, ((depth - 2) // 6,) * 3, (16, 32, 64), _padded_identity)
    return keras.Model(inputs, logits, name=f"resnet{depth}")


def _residual_network(
    x: Any, num_classes: int, blocks: Sequence[int], widths: Sequence[int], shortcut: Callable[[Any, int, int], Any]
) -> Any:
    """Applies stem, stages and head, and returns the logits."""
    x = convolution_norm_relu(x, widths[0], 3)
    for stage, (count, filters) in enumerate(zip(blocks, widths, strict=True)):
        for block in range(count):
            x = _basic_block(x, filters, 2 if stage and not block else 1, shortcut)
    return dense(layers.GlobalAveragePooling2D()(x), num_classes, name="logits")


def _basic_block(x: Any, filters: int, stride: int, shortcut: Callable[[Any, int, int], Any]) -> Any:
    kept = x if x.shape[-1] == filters and stride == 1 else shortcut(x, filters, stride)
    return layers.ReLU()(layers.Add()([residual_branch(x, filters, stride), kept]))


def _projection(x: Any, filters: int, stride: int) -> Any:
    return convolution_norm(x, filters, 1, stride)


def _padded_identity(x: Any, filters: int, stride: int) -> Any:
    missing = filters - x.shape[-1]
    x = layers.AveragePooling2D(1, stride)(x)  # of single pixels: the gradient of a slice with a stride is slow on CPUs
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
