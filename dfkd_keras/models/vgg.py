"""VGG (Simonyan and Zisserman, 2015) with BatchNorm, in its CIFAR form."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm_relu, check_network, dense, he_fan_out, image_input
from dfkd_keras.utils.checks import check_choices

WIDTHS = {11: ((64,), (128,), (256, 256), (512, 512), (512, 512))}


def vgg(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 11,
) -> keras.Model:
    """Builds VGG-11 with BatchNorm and a single dense layer, as CMI and Fast distill it.

    Max pooling follows the first three stages only, so that the last two work on 4x4 maps; global average pooling
    follows.

    Args:
        image_shape: Tuple of three integers. Height, width and channels. Defaults to `(32, 32, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        depth: Integer. Number of layers; only 11 is built (9,231,114 parameters at the defaults). Defaults to 11.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If the depth is another one, or another argument is not what it should be.

    Example:
        >>> dk.models.vgg((32, 32, 3), num_classes=10, depth=11).output_shape
        (None, 10)
    """
    check_network("vgg", image_shape, num_classes, normalization)
    check_choices("vgg", WIDTHS, depth=depth)
    inputs, x = image_input(image_shape, normalization)
    for stage, widths in enumerate(WIDTHS[depth]):
        for filters in widths:
            x = batch_norm_relu(layers.Conv2D(filters, 3, padding="same", kernel_initializer=he_fan_out())(x))
        if stage < 3:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, dense(x, num_classes, name="logits"), name=f"vgg{depth}")
