"""Networks of unit images behind layers that undo how a teacher takes its images."""

from collections.abc import Callable
from typing import get_args

import keras
from keras import layers

from dfkd_keras.images import STATISTICS, ChannelOrder, InputConvention, InputRange
from dfkd_keras.utils.checks import (
    check_choices,
    check_counts,
    check_factories,
    check_shape,
    entries,
    given,
    single_line,
)
from dfkd_keras.utils.errors import DFKDError, InvalidInputError


def preprocessed(
    network: Callable[..., keras.Model],
    image_shape: tuple[int, int, int],
    num_classes: int,
    input_range: InputRange = "0..1",
    channel_order: ChannelOrder | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> keras.Model:
    """Builds a student that takes what a teacher takes, of a network that takes unit images.

    Args:
        network: Callable with the arguments `image_shape` and `num_classes`. Returns the network.
        image_shape: Tuple of three integers. Height, width and channels.
        num_classes: Integer. Number of classes.
        input_range: String. The range of the teacher's images, as in `InputConvention`, without "normalized". Defaults
            to "0..1".
        channel_order: String. The order of the teacher's channels, as in `InputConvention`, which the network gets too.
            Defaults to None.
        input_shape: Tuple of integers. The shape of what the teacher takes where it is not `image_shape`: `(H, W)` or
            `(N,)`. Defaults to None.

    Returns:
        Keras model from the teacher's inputs to logits. The network itself, if these are unit images.

    Raises:
        InvalidInputError: If the network does not fit the images, if an argument is not what it should be, or if the
            range is "normalized", whose statistics belong into the network.

    Example:
        >>> student = dk.models.preprocessed(dk.models.cifar_resnet, (32, 32, 3), 10, input_range="0..255")
        >>> tuple(student(np.full((1, 32, 32, 3), 255.0)).shape)
        (1, 10)
    """
    check_factories("preprocessed", network=network)
    check_shape("preprocessed", 3, image_shape=image_shape)
    check_counts("preprocessed", num_classes=num_classes)
    check_choices("preprocessed", STATISTICS, input_range=input_range)
    check_choices("preprocessed", (None, *get_args(ChannelOrder)), channel_order=channel_order)
    check_counts("preprocessed", **entries("preprocessed", **given(input_shape=input_shape)))
    try:
        model = network(image_shape=tuple(image_shape), num_classes=num_classes)
    except DFKDError:
        raise
    except ValueError as error:  # Keras' layers do not fit every size
        raise InvalidInputError(
            f"the student cannot be built for images of shape {tuple(image_shape)} ({single_line(error)[:150]}): "
            "choose another network."
        ) from error
    if input_range == "0..1" and input_shape is None:
        return model
    images = keras.Input(input_shape or image_shape, name="images")
    unit = layers.Reshape(image_shape)(images) if input_shape else images
    if input_range != "0..1":
        unit = layers.Rescaling(*_inverse(InputConvention(input_range, channel_order), image_shape[-1]))(unit)
    return keras.Model(images, model(unit), name=model.name)


def _inverse(inputs: InputConvention, channels: int) -> tuple[list[float], list[float]]:
    """Returns the scale and the offset by which a network's images become unit images again."""
    scale, offset = STATISTICS[inputs.input_range]
    if inputs.order == "bgr":
        scale, offset = scale[::-1], offset[::-1]
    scale, offset = (list(values) * (channels if len(values) == 1 else 1) for values in (scale, offset))
    if len(scale) != channels or len(offset) != channels:
        raise InvalidInputError(
            f"preprocessed.input_range={inputs.input_range!r} is for images of 3 channels, not {channels}: use "
            "'0..255'."
        )
    return [1.0 / each for each in scale], [-first / each for first, each in zip(offset, scale, strict=True)]
