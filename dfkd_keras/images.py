"""The two image spaces and the one conversion between them.

"unit" images lie in [0, 1]. "normalized" images are `(unit - mean) / std`, what a teacher's own preprocessing
produces; they are unbounded, and the generators of RDSKD and DAFL end there.
"""

import dataclasses
from typing import Any, Literal

import numpy as np
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

Space = Literal["unit", "normalized"]


@dataclasses.dataclass(frozen=True)
class Normalization(Configured):
    """The mean and standard deviation of the teacher's preprocessing.

    Args:
        mean: per channel, or one for all, of images in [0, 1]. The default (0.5) and that of `std` (0.25) are a
            neutral guess for natural images.
        std: likewise; positive.
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

    def convert(self, images: Any, source: Space, target: Space) -> Any:
        """Converts images `[B, H, W, C]` from one space to the other.

        Args:
            images: float tensor.
            source: the space that `images` are in, "unit" or "normalized".
            target: the wanted space.

        Returns:
            The images in the target space; the same tensor where nothing is to be done.

        Raises:
            ValueError: for an unknown space.
        """
        for space in (source, target):
            if space not in ("unit", "normalized"):
                raise InvalidInputError(f"image space {space!r} is unknown: use 'unit' or 'normalized'.")
        if source == target:
            return images
        mean, std = (_by_row(values, images) for values in (self.mean, self.std))
        if target == "unit":
            return images * std + mean
        return (images - mean) / std

    def from_bytes(self, images: Any) -> Any:
        """Converts stored images, uint8 `[B, H, W, C]` from 0 to 255, to normalized space, float32."""
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        images = ops.cast(images, "float32")
        return images * _by_row(1.0 / (255.0 * std), images) - _by_row(mean / std, images)


def _by_row(values: Any, images: Any) -> np.ndarray:
    """Returns values per channel as they are to be broadcast over images `[B, H, W, C]`.

    For TensorFlow on a CPU that is a row of them, `[W, C]`: three values alone take twice the time.
    """
    channels = np.asarray(values, np.float32)
    width = images.shape[-2] if len(images.shape) > 1 else None
    return channels if width is None or len(channels) == 1 else np.tile(channels, (width, 1))
