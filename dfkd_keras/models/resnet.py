"""Residual networks in their CIFAR forms."""

import keras
from keras import layers, ops

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, batch_norm_relu, dense, image_input, residual_convolution
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
        image_shape: height, width and channels.
        num_classes: number of logits.
        normalization: applied to the unit images inside the model; None for inputs that are normalized already.
        depth: 18 (11,173,962 parameters at the defaults) or 34 (21,282,122).

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.

    Raises:
        ValueError: for another depth.
    """
    if depth not in BLOCKS:
        raise InvalidInputError(
            f"resnet.depth={depth} must be one of {sorted(BLOCKS)}; for 8, 20, 32, ... use cifar_resnet."
        )
    return _residual_network(
        image_shape, num_classes, normalization, BLOCKS[depth], (64, 128, 256, 512), _projection, f"resnet{depth}"
    )


def cifar_resnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 20,
) -> keras.Model:
    """Builds the slim CIFAR network of He et al. (2016), of 6n + 2 layers and parameter-free shortcuts.

    Args:
        image_shape: height, width and channels.
        num_classes: number of logits.
        normalization: applied to the unit images inside the model; None for inputs that are normalized already.
        depth: 8, 14, 20, 32, 44, 56, ...; 20 has 269,722 parameters at the defaults.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.

    Raises:
        ValueError: for a depth that is not 6n + 2.
    """
    if depth < 8 or (depth - 2) % 6:
        raise InvalidInputError(f"cifar_resnet.depth={depth} must be 6n + 2 with n >= 1: 8, 14, 20, 32, 44, 56, ...")
    blocks = ((depth - 2) // 6,) * 3
    return _residual_network(
        image_shape, num_classes, normalization, blocks, (16, 32, 64), _padded_identity, f"resnet{depth}"
    )


def _residual_network(image_shape, num_classes, normalization, blocks, widths, shortcut, name) -> keras.Model:
    inputs, x = image_input(image_shape, normalization)
    x = batch_norm_relu(residual_convolution(x, widths[0], 3))
    for stage, (count, filters) in enumerate(zip(blocks, widths, strict=True)):
        for block in range(count):
            x = _basic_block(x, filters, 2 if stage and not block else 1, shortcut)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, dense(x, num_classes, name="logits"), name=name)


def _basic_block(x, filters, stride, shortcut):
    kept = x if stride == 1 and x.shape[-1] == filters else shortcut(x, filters, stride)
    x = batch_norm_relu(residual_convolution(x, filters, 3, stride))
    x = batch_norm(residual_convolution(x, filters, 3))
    return layers.ReLU()(layers.Add()([x, kept]))


def _projection(x, filters, stride):
    return batch_norm(residual_convolution(x, filters, 1, stride))


def _padded_identity(x, filters, stride):
    missing = filters - x.shape[-1]
    x = layers.AveragePooling2D(1, stride)(x)  # of single pixels: the gradient of a slice with a stride is slow on CPUs
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))
