"""LeNet-5 and its half, as RDSKD and DAFL distill them on MNIST."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, check_network, convolution, dense, image_input
from dfkd_keras.utils.checks import check_flags, check_numbers


def lenet5(
    image_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    width: float = 1.0,
    with_batch_norm: bool = False,
    name: str = "lenet5",
) -> keras.Model:
    """Builds LeNet-5 with ReLU and max pooling; 61,706 parameters at the defaults.

    Args:
        image_shape: Tuple of three integers. Height, width and channels; at 32x32, the last convolution's map is 1x1.
            Defaults to `(32, 32, 1)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, for a model of
            normalized images.
        width: Float. Factor of the channels (6, 16, 120) and of the 84 hidden units. Defaults to 1.
        with_batch_norm: Boolean. Whether every hidden layer has BatchNorm before its ReLU, which makes a small teacher
            for the methods that match BatchNorm statistics. Defaults to False.
        name: String. Name of the model. Defaults to "lenet5".

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If an argument is not what it should be, or a layer would be left without channels.

    Example:
        >>> dk.models.lenet5((32, 32, 1), num_classes=10).output_shape
        (None, 10)
    """
    check_network("lenet5", image_shape, num_classes, normalization, name)
    check_numbers("lenet5", minimum=1 / 6, width=width)  # at least one channel
    check_flags("lenet5", with_batch_norm=with_batch_norm)
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
    """Builds LeNet-5 at half width; 15,738 parameters at the defaults.

    Args:
        image_shape: As in `lenet5`.
        num_classes: As in `lenet5`.
        normalization: As in `lenet5`.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Example:
        >>> dk.models.lenet5_half((32, 32, 1), num_classes=10).output_shape
        (None, 10)
    """
    return lenet5(image_shape, num_classes, normalization, width=0.5, name="lenet5_half")
