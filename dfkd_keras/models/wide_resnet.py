"""Wide residual networks (Zagoruyko and Komodakis, 2016)."""

from typing import Any

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import (
    batch_norm_relu,
    check_network,
    convolution_norm_relu,
    dense,
    image_input,
    residual_convolution,
)
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError


def wide_resnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 40,
    width: int = 2,
) -> keras.Model:
    """Builds WRN-depth-width with pre-activated blocks and no dropout.

    The outputs of its groups are the layers "group_1", "group_2" and "group_3".

    Args:
        image_shape: Tuple of three integers. Height, width and channels. Defaults to `(32, 32, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        depth: Integer. Number of layers, 6n + 4. Defaults to 40.
        width: Integer. Factor of the channels 16, 32 and 64. Defaults to 2. WRN-40-2 has 2,243,546 parameters at the
            other defaults, WRN-16-1 175,066.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If the depth is not 6n + 4, or another argument is not what it should be.

    Example:
        >>> dk.models.wide_resnet((32, 32, 3), num_classes=10, depth=16, width=1).output_shape
        (None, 10)
    """
    check_network("wide_resnet", image_shape, num_classes, normalization)
    check_counts("wide_resnet", depth=depth, width=width)
    if depth < 10 or (depth - 4) % 6:
        raise InvalidInputError(f"wide_resnet.depth={depth} must be 6n + 4 with n >= 1: 10, 16, 22, 28, 40, ...")
    inputs, x = image_input(image_shape, normalization)
    x = residual_convolution(x, 16, 3)
    for stage, filters in enumerate((16 * width, 32 * width, 64 * width)):
        for block in range(blocks := (depth - 4) // 6):
            name = f"group_{stage + 1}" if block == blocks - 1 else None
            x = _block(x, filters, 2 if stage and not block else 1, name)
    x = layers.GlobalAveragePooling2D()(batch_norm_relu(x))
    logits = dense(x, num_classes, bias_initializer="zeros", name="logits")
    return keras.Model(inputs, logits, name=f"wrn{depth}_{width}")


def _block(x: Any, filters: int, stride: int, name: str | None) -> Any:
    activated = batch_norm_relu(x)
    if x.shape[-1] == filters and stride == 1:
        kept = x
    else:  # where the shape changes, the shortcut too starts from the activated input
        kept = residual_convolution(activated, filters, 1, stride)
    x = convolution_norm_relu(activated, filters, 3, stride)
    return layers.Add(name=name)([residual_convolution(x, filters, 3), kept])
