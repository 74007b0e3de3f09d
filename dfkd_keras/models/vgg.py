"""VGG (Simonyan and Zisserman, 2015) with BatchNorm, in its CIFAR form."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, dense, image_input
from dfkd_keras.utils.errors import InvalidInputError

WIDTHS = {11: ((64,), (128,), (256, 256), (512, 512), (512, 512))}


def vgg(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 11,
) -> keras.Model:
    """Builds VGG-11 with BatchNorm and a single dense layer, as CMI and Fast distill it.

    Max-pooling follows the first three stages only, so that the last two see 4x4 maps; then comes the average.

    Args:
        image_shape: height, width and channels.
        num_classes: number of logits.
        normalization: applied to the unit images inside the model; None for inputs that are normalized already.
        depth: 11 (9,231,114 parameters at the defaults).

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.

    Raises:
        ValueError: for another depth.
    """
    if depth not in WIDTHS:
        raise InvalidInputError(f"vgg.depth={depth} must be one of {sorted(WIDTHS)}.")
    inputs, x = image_input(image_shape, normalization)
    for stage, widths in enumerate(WIDTHS[depth]):
        for filters in widths:
            initializer = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
            x = layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer)(x)
            x = layers.ReLU()(batch_norm(x))
        if stage < 3:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, dense(x, num_classes, name="logits"), name=f"vgg{depth}")
