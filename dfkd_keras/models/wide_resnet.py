"""Wide residual networks (Zagoruyko and Komodakis, 2016)."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm_relu, dense, image_input, residual_convolution
from dfkd_keras.utils.errors import InvalidInputError


def wide_resnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    depth: int = 40,
    width: int = 2,
) -> keras.Model:
    """Builds WRN-depth-width with pre-activated blocks and no dropout; the outputs of its groups are named "group_1",
    ...

    Args:
        image_shape: height, width and channels.
        num_classes: number of logits.
        normalization: applied to the unit images inside the model; None for inputs that are normalized already.
        depth: 6n + 4 layers.
        width: factor on the channels 16, 32, 64. WRN-40-2 has 2,243,546 parameters at the defaults, WRN-16-1 175,066.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.

    Raises:
        ValueError: for a depth that is not 6n + 4.
    """
    if depth < 10 or (depth - 4) % 6:
        raise InvalidInputError(f"wide_resnet.depth={depth} must be 6n + 4 with n >= 1: 10, 16, 22, 28, 40, ...")
    inputs, x = image_input(image_shape, normalization)
    x = residual_convolution(x, 16, 3)
    for stage, filters in enumerate((16 * width, 32 * width, 64 * width)):
        for block in range(blocks := (depth - 4) // 6):
            name = f"group_{stage + 1}" if block == blocks - 1 else None
            x = _block(x, filters, 2 if stage and not block else 1, name)
    x = layers.GlobalAveragePooling2D()(batch_norm_relu(x))
    return keras.Model(
        inputs, dense(x, num_classes, bias_initializer="zeros", name="logits"), name=f"wrn{depth}_{width}"
    )


def _block(x, filters, stride, name):
    activated = batch_norm_relu(x)
    if x.shape[-1] == filters and stride == 1:
        kept = x
    else:  # where the shape changes, the shortcut too starts from the activated input
        kept = residual_convolution(activated, filters, 1, stride)
    x = batch_norm_relu(residual_convolution(activated, filters, 3, stride))
    return layers.Add(name=name)([residual_convolution(x, filters, 3), kept])
