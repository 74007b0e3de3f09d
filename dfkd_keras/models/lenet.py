"""LeNet-5 and its half, as RDSKD and DAFL distill them on MNIST."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, convolution, dense, image_input


def lenet5(
    image_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    width: float = 1.0,
    with_batch_norm: bool = False,
    name: str = "lenet5",
) -> keras.Model:
    """Builds LeNet-5 with ReLU and max-pooling; 61,706 parameters at the defaults.

    Args:
        image_shape: height, width and channels; 32x32 makes the last convolution's map 1x1.
        num_classes: number of logits.
        normalization: applied to the unit images inside the model; None for inputs that are normalized already.
        width: factor on the channels (6, 16, 120) and on the 84 hidden units.
        with_batch_norm: whether every hidden layer has BatchNorm before its ReLU: a small teacher for the methods that
            match BatchNorm statistics.
        name: of the model.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.
    """
    first, second, third, hidden = (int(size * width) for size in (6, 16, 120, 84))
    inputs, x = image_input(image_shape, normalization)

    def activated(x):
        return layers.ReLU()(batch_norm(x) if with_batch_norm else x)

    x = layers.MaxPooling2D()(activated(convolution(x, first, 5)))
    x = layers.MaxPooling2D()(activated(convolution(x, second, 5)))
    x = layers.Flatten(name="convolved")(activated(convolution(x, third, 5)))
    x = activated(dense(x, hidden))
    return keras.Model(inputs, dense(x, num_classes, name="logits"), name=name)


def lenet5_half(
    image_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    normalization: Normalization | None = None,
) -> keras.Model:
    """Builds LeNet-5 at half width; 15,738 parameters at the defaults. Arguments as in `lenet5`."""
    return lenet5(image_shape, num_classes, normalization, width=0.5, name="lenet5_half")
