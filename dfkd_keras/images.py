"""The spaces that images are in, and the conversions between them.

"unit" images are float32 RGB or gray with black at 0 and white at 1; they are what travels between synthesizer, replay
buffer, teacher and student. "normalized" images are `(unit - mean) / std`, what a teacher's own preprocessing produces:
they are unbounded, and the generators of RDSKD and DAFL end there. Replay buffers and data sets hold uint8 from 0 to
255. What a network takes is its `InputConvention`, which is applied where images enter it.
"""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
from keras import ops

from dfkd_keras.utils.checks import check_kinds, given, is_number
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

Space = Literal["unit", "normalized"]
InputRange = Literal["0..1", "0..255", "-1..1", "imagenet", "caffe", "normalized"]
ChannelOrder = Literal["rgb", "bgr"]


@dataclasses.dataclass(frozen=True)
class Normalization(Configured):
    """The mean and standard deviation of a teacher's preprocessing.

    Args:
        mean: Tuple of floats. Mean of the unit images, one value per channel or one for all of them. Defaults to
            `(0.5,)`, a neutral guess for natural images.
        std: Tuple of positive floats. Standard deviation of the unit images, as many values as `mean` has. Defaults to
            `(0.25,)`, likewise a guess.

    Raises:
        InvalidInputError: If the two are not tuples of finite numbers, of the same length, or if `std` is not positive.

    Example:
        >>> mnist = dk.Normalization((0.1307,), (0.3081,))
        >>> mnist.denormalize(mnist.normalize(images))  # the images again
    """

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)

    def __post_init__(self):
        if not all(isinstance(values, (tuple, list)) for values in (self.mean, self.std)):
            raise InvalidInputError(f"Normalization.mean={self.mean} and std={self.std} must be tuples such as (0.5,).")
        if not all(map(is_number, self.mean)):
            raise InvalidInputError(f"Normalization.mean={self.mean} must be finite numbers, one value per channel.")
        if not all(is_number(value) and value > 0 for value in self.std):
            raise InvalidInputError(f"Normalization.std={self.std} must be positive; check the task's statistics.")
        if len(self.mean) != len(self.std) or not self.mean:
            raise InvalidInputError(
                f"Normalization.mean={self.mean} and std={self.std} must have one value per channel each."
            )

    def normalize(self, images: Any) -> Any:
        """Returns unit images `[B, H, W, C]` as normalized ones, `(images - mean) / std`."""
        return (images - _by_row(self.mean, images)) / _by_row(self.std, images)

    def denormalize(self, images: Any) -> Any:
        """Returns normalized images `[B, H, W, C]` as unit ones, `images * std + mean`."""
        return images * _by_row(self.std, images) + _by_row(self.mean, images)


@dataclasses.dataclass(frozen=True)
class InputConvention(Configured):
    """How a network takes its images: the range of their values, the order of their channels, and their shape.

    Args:
        input_range: String. "0..1", "0..255", "-1..1"; "imagenet" for `(unit - mean) / std` with the statistics of
            ImageNet; "caffe" for BGR from 0 to 255 minus ImageNet's mean; or "normalized" for `normalization`. Defaults
            to "0..1".
        channel_order: String, "rgb" or "bgr". Defaults to None: "bgr" for "caffe", otherwise "rgb".
        normalization: `Normalization` that "normalized" images are made with. Defaults to None, `Normalization()`.
        shape: Tuple of integers. The shape of an image where it is not `(H, W, C)`: `(H, W)` without a channel axis, or
            `(N,)` for a vector of all values. Defaults to None.

    Raises:
        InvalidInputError: If the range or the order is unknown, or `normalization` of another kind.

    Example:
        >>> InputConvention("0..255", "bgr").from_unit(images)  # what a network trained on OpenCV's images takes
    """

    input_range: InputRange = "0..1"
    channel_order: ChannelOrder | None = None
    normalization: Normalization | None = None
    shape: tuple[int | None, ...] | None = None

    def __post_init__(self):
        for name, known in (("input_range", get_args(InputRange)), ("channel_order", (None, *get_args(ChannelOrder)))):
            if getattr(self, name) not in known:
                choices = ", ".join(map(repr, filter(None, known)))
                raise InvalidInputError(f"{name}={getattr(self, name)!r} is unknown: use one of {choices}.")
        check_kinds("InputConvention", Normalization, **given(normalization=self.normalization))

    @property
    def order(self) -> ChannelOrder:
        """String. The order of the channels, "rgb" or "bgr"."""
        return self.channel_order or ("bgr" if self.input_range == "caffe" else "rgb")

    def from_unit(self, images: Any) -> Any:
        """Returns what the network takes for unit images `[B, H, W, C]`."""
        if self.input_range == "normalized":
            images = (self.normalization or Normalization()).normalize(images)
        elif self.input_range != "0..1":
            scale, offset = STATISTICS[self.input_range]
            images = images * _by_row(_of_channels(scale, images), images)
            images = images + _by_row(_of_channels(offset, images), images) if any(offset) else images
        if self.order == "bgr" and images.shape[-1] >= 3:
            images = ops.concatenate([images[..., 2::-1], images[..., 3:]], axis=-1)
        if self.shape is None:
            return images
        return ops.squeeze(images, axis=-1) if len(self.shape) == 2 else ops.reshape(images, (-1, *self.shape))


# The factor and the offset that turn unit images into those of each range, for red, green and blue.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STATISTICS = {
    "0..1": ((1.0,), (0.0,)),
    "0..255": ((255.0,), (0.0,)),
    "-1..1": ((2.0,), (-1.0,)),
    "imagenet": (tuple(1.0 / s for s in _STD), tuple(-m / s for m, s in zip(_MEAN, _STD, strict=True))),
    "caffe": ((255.0,), (-123.68, -116.779, -103.939)),
}


def relative_statistics(input_range: InputRange, base: InputRange, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns how unit images become those that `base` converts to images of another range.

    Args:
        input_range: String. The other range.
        base: String. The range that images are converted to afterwards.
        channels: Integer C.

    Returns:
        Float32 arrays `[C]`: what to multiply unit images by, and what to add.
    """
    (scale, offset), (base_scale, base_offset) = (
        [np.broadcast_to(_of_channels(values, np.empty((1, channels))), channels) for values in STATISTICS[name]]
        for name in (input_range, base)
    )
    return np.float32(scale / base_scale), np.float32((offset - base_offset) / base_scale)


def to_unit(images: Any) -> Any:
    """Converts stored images to unit images.

    Args:
        images: uint8 tensor `[..., H, W, C]` from 0 to 255.

    Returns:
        Float32 tensor of the same shape in [0, 1].
    """
    return ops.cast(images, "float32") / 255.0


def to_uint8(images: Any) -> Any:
    """Converts unit images to the 8 bits in which they are stored.

    Args:
        images: Float tensor `[..., H, W, C]`. Values outside of [0, 1] are clipped.

    Returns:
        uint8 tensor of the same shape, rounded to the nearest of the 256 levels.
    """
    return ops.cast(ops.round(ops.clip(images, 0.0, 1.0) * 255.0), "uint8")


def check_space(argument: str, space: str) -> None:
    """Raises `InvalidInputError`, naming the argument, unless the space is "unit" or "normalized"."""
    if space not in get_args(Space):
        raise InvalidInputError(f"{argument}={space!r} is an unknown image space: use 'unit' or 'normalized'.")


def _of_channels(values: tuple[float, ...], images: Any) -> tuple[float, ...]:
    """Returns one value, or as many as images have channels: gray ones get the mean, and alpha the last one."""
    channels = images.shape[-1]
    if len(values) == 1 or channels == len(values):
        return values
    return (float(np.mean(values)),) if channels == 1 else (*values, values[-1])


def _by_row(values: Any, images: Any) -> np.ndarray:
    """Returns values per channel in the shape in which they broadcast fastest over images `[B, H, W, C]`.

    For TensorFlow on a CPU that is a row of them, `[W, C]`: three values alone take twice the time.
    """
    channels = np.asarray(values, np.float32)
    width = images.shape[-2] if len(images.shape) > 1 else None
    return channels if width is None or len(channels) == 1 else np.tile(channels, (width, 1))
