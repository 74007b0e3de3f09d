"""The spaces that images are in, and the conversions between them.

"unit" images are float32 with black at 0 and white at 1; they are what travels between synthesizer, replay buffer,
teacher and student. "normalized" images are `(unit - mean) / std`, what a teacher's own preprocessing produces: they
are unbounded, and the generators of RDSKD and DAFL end there. Replay buffers and data sets hold uint8 from 0 to 255.
"""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

Space = Literal["unit", "normalized"]


@dataclasses.dataclass(frozen=True)
class Normalization(Configured):
    """The mean and standard deviation of a teacher's preprocessing.

    Args:
        mean: Tuple of floats. Mean of the unit images, one value per channel or one for all of them. Defaults to
            `(0.5,)`, a neutral guess for natural images.
        std: Tuple of positive floats. Standard deviation of the unit images, as many values as `mean` has. Defaults to
            `(0.25,)`, likewise a guess.

    Raises:
        InvalidInputError: If the two are not tuples of the same length, or if `std` is not positive.

    Example:
        >>> mnist = Normalization((0.1307,), (0.3081,))
        >>> mnist.denormalize(mnist.normalize(images))  # the images again
    """

    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)

    def __post_init__(self):
        if not all(isinstance(values, (tuple, list)) for values in (self.mean, self.std)):
            raise InvalidInputError(f"Normalization.mean={self.mean} and std={self.std} must be tuples such as (0.5,).")
        if any(value <= 0 for value in self.std):
            raise InvalidInputError(f"Normalization.std={self.std} must be positive; check the task's statistics.")
        if len(self.mean) != len(self.std):
            raise InvalidInputError(
                f"Normalization.mean={self.mean} and std={self.std} must have one value per channel each."
            )

    def normalize(self, images: Any) -> Any:
        """Returns unit images `[B, H, W, C]` as normalized ones, `(images - mean) / std`."""
        return (images - _by_row(self.mean, images)) / _by_row(self.std, images)

    def denormalize(self, images: Any) -> Any:
        """Returns normalized images `[B, H, W, C]` as unit ones, `images * std + mean`."""
        return images * _by_row(self.std, images) + _by_row(self.mean, images)


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


def _by_row(values: Any, images: Any) -> np.ndarray:
    """Returns values per channel in the shape in which they broadcast fastest over images `[B, H, W, C]`.

    For TensorFlow on a CPU that is a row of them, `[W, C]`: three values alone take twice the time.
    """
    channels = np.asarray(values, np.float32)
    width = images.shape[-2] if len(images.shape) > 1 else None
    return channels if width is None or len(channels) == 1 else np.tile(channels, (width, 1))
