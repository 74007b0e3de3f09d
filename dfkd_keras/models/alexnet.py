"""The small AlexNet of ZSKD."""

import keras
from keras import layers

from dfkd_keras.images import Normalization
from dfkd_keras.models.blocks import batch_norm, check_network, image_input
from dfkd_keras.models.layers import LocalResponseNormalization
from dfkd_keras.utils.checks import check_numbers

CONVOLUTIONS = ((48, 5), (128, 5), (192, 3), (192, 3), (128, 3))  # filters and size
RESPONSE_NORMALIZED, POOLED = (0, 1), (0, 1, 4)


def alexnet(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    normalization: Normalization | None = None,
    width: float = 1.0,
) -> keras.Model:
    """Builds ZSKD's AlexNet for CIFAR-10, or its half.

    Five convolutions with ReLU, local response normalization after the first two, 3x3 max pooling after those and the
    last, BatchNorm after each; then dense layers of 512, 256 and K units, with BatchNorm and dropout 0.5 after the
    hidden ones. Layer sizes and constants are those of the authors' code; the order within a block is AlexNet's.

    Args:
        image_shape: Tuple of three integers. Height, width and channels. Defaults to `(32, 32, 3)`.
        num_classes: Integer. Number of classes, K. Defaults to 10.
        normalization: `Normalization` to apply to unit images inside the model. Defaults to None, as in ZSKD.
        width: Float. Factor of every layer's size: 1 for the teacher (1,659,178 parameters at the defaults), 0.5 for
            the student (417,434). Defaults to 1.

    Returns:
        Keras model from images `[B, H, W, C]` to logits `[B, K]`.

    Raises:
        InvalidInputError: If an argument is not what it should be, or a layer would be left without channels.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks", ICML 2019.

    Example:
        >>> dk.models.alexnet((32, 32, 3), num_classes=10, width=0.5).output_shape
        (None, 10)
    """
    check_network("alexnet", image_shape, num_classes, normalization)
    check_numbers("alexnet", minimum=1 / min(filters for filters, _ in CONVOLUTIONS), width=width)
    inputs, x = image_input(image_shape, normalization)
    normal = keras.initializers.RandomNormal(stddev=0.01)
    for block, (filters, size) in enumerate(CONVOLUTIONS):
        filters = round(width * filters)
        x = layers.Conv2D(filters, size, padding="same", activation="relu", kernel_initializer=normal)(x)
        if block in RESPONSE_NORMALIZED:
            x = LocalResponseNormalization()(x)
        if block in POOLED:
            x = layers.MaxPooling2D(3, 2)(x)
        x = batch_norm(x)
    x = layers.Flatten()(x)
    for units in (512, 256):
        x = batch_norm(layers.Dense(round(width * units), activation="relu")(x))
        x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(int(num_classes), name="logits")(x), name="alexnet")
