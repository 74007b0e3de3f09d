"""LeNet-5 and its half, as RDSKD and DAFL distil them on MNIST."""

import keras
from keras import layers

from dfkd_keras.images import Normalisation
from dfkd_keras.models.blocks import convolution, dense, image_input


def lenet5(
    image_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    normalisation: Normalisation | None = None,
    width: float = 1.0,
    name: str = "lenet5",
) -> keras.Model:
    """Builds LeNet-5 with ReLU and max-pooling; 61,706 parameters at the defaults.

    Args:
        image_shape: height, width and channels; 32x32 makes the last convolution's map 1x1.
        classes: number of logits.
        normalisation: applied to the unit images inside the model; None for inputs that are normalised already.
        width: factor on the channels (6, 16, 120) and on the 84 hidden units.
        name: of the model.

    Returns:
        A model from unit images `[B, H, W, C]` to logits `[B, classes]`.
    """
    first, second, third, hidden = (int(size * width) for size in (6, 16, 120, 84))
    inputs, x = image_input(image_shape, normalisation)
    x = layers.MaxPooling2D()(convolution(x, first, 5, activation="relu"))
    x = layers.MaxPooling2D()(convolution(x, second, 5, activation="relu"))
    x = layers.Flatten(name="convolved")(convolution(x, third, 5, activation="relu"))
    x = dense(x, hidden, activation="relu")
    return keras.Model(inputs, dense(x, classes, name="logits"), name=name)


def lenet5_half(
    image_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    normalisation: Normalisation | None = None,
) -> keras.Model:
    """Builds LeNet-5 at half width; 15,738 parameters at the defaults. Arguments as in `lenet5`."""
    return lenet5(image_shape, classes, normalisation, width=0.5, name="lenet5_half")
