"""The two image spaces and the one conversion between them.

"unit" images lie in [0, 1]. "normalised" images are `(unit - mean) / std`, what a teacher's own preprocessing
produces; they are unbounded, and the generators of RDSKD and DAFL end there.
"""

import dataclasses
from typing import Any, Literal

import numpy as np

from dfkd_keras.serialization import Configured

Space = Literal["unit", "normalised"]


@dataclasses.dataclass(frozen=True)
class Normalisation(Configured):
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
            raise ValueError(f"Normalisation.mean={self.mean} and std={self.std} must be tuples such as (0.5,).")
        if any(value <= 0 for value in self.std):
            raise ValueError(f"Normalisation.std={self.std} must be positive; check the task's statistics.")
        if len(self.mean) != len(self.std):
            raise ValueError(f"Normalisation.mean={self.mean} and std={self.std} must have one value per channel each.")

    def convert(self, images: Any, source: Space, target: Space) -> Any:
        """Converts images `[B, H, W, C]` from one space to the other.

        Args:
            images: float tensor.
            source: the space that `images` are in, "unit" or "normalised".
            target: the wanted space.

        Returns:
            The images in the target space; the same tensor where nothing is to be done.

        Raises:
            ValueError: for an unknown space.
        """
        for space in (source, target):
            if space not in ("unit", "normalised"):
                raise ValueError(f"image space {space!r} is unknown: use 'unit' or 'normalised'.")
        if source == target:
            return images
        mean, std = np.float32(self.mean), np.float32(self.std)
        if target == "unit":
            return images * std + mean
        return (images - mean) / std
