"""Random crops and mirror images."""

import dataclasses
import math
from typing import Any

from keras import ops

from dfkd_keras.augmentation.augmentation import Augmentation
from dfkd_keras.utils.checks import LARGEST, check_counts, check_flags, is_number
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class RandomCropFlip(Augmentation):
    """Pads every image with black, crops it at random, and mirrors it with probability 0.5.

    Shifting is a product with a 0/1 matrix per image, which is faster than gathering, forward and backward.

    Args:
        padding: Integer. Pixels of padding on each side, which is the largest shift in each direction. Defaults to 4,
            as in most papers on 32x32 images.
        flip: Boolean. Whether images are mirrored, which digits must not be. Defaults to True.

    Raises:
        InvalidInputError: If `padding` is negative or not a whole number, or `flip` is no Boolean.

    Example:
        >>> augment = dk.augmentation.RandomCropFlip(padding=4)
        >>> tuple(augment(keras.ops.ones((2, 32, 32, 3)), keras.random.uniform((2, 8))).shape)
        (2, 32, 32, 3)
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self):
        check_counts("RandomCropFlip", minimum=0, padding=self.padding)
        check_flags("RandomCropFlip", flip=self.flip)

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Shifts and mirrors each image by its first three numbers; see `Augmentation`."""
        _, height, width, _ = images.shape
        shifts = ops.cast(ops.floor(uniforms[:, :2] * (2 * self.padding + 1)), "int32") - self.padding
        columns = ops.arange(width, dtype="int32")[None]
        if self.flip:
            columns = ops.where(uniforms[:, 2:3] < 0.5, width - 1 - columns, columns)
        rows = _selection(ops.arange(height, dtype="int32")[None] + shifts[:, :1], height, images.dtype)
        columns = _selection(columns + shifts[:, 1:], width, images.dtype)
        shifted = ops.einsum("bij,bjwc->biwc", rows, images)
        return ops.einsum("bkw,biwc->bikc", columns, shifted)


@dataclasses.dataclass(frozen=True)
class RandomResizedCropFlip(Augmentation):
    """Resizes a random crop of every image to the full size, bilinearly, and mirrors it with probability 0.5.

    Args:
        scale: Tuple of two floats in (0, 1]. Smallest and largest area of the crop as a share of the image's, drawn
            uniformly. Defaults to `(0.25, 1.0)`, as in CMI.
        ratio: Tuple of two positive floats. Smallest and largest aspect ratio of the crop, width over height, drawn
            uniformly in the logarithm. Defaults to `(3 / 4, 4 / 3)`.
        flip: Boolean. Whether images are mirrored, which digits must not be. Defaults to True.

    Raises:
        InvalidInputError: If a range is empty or exceeds its bounds, or `flip` is no Boolean.

    Example:
        >>> augment = dk.augmentation.RandomResizedCropFlip(scale=(0.5, 1.0))
    """

    scale: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __post_init__(self):
        check_flags("RandomResizedCropFlip", flip=self.flip)
        for name, limits, highest in (("scale", self.scale, 1.0), ("ratio", self.ratio, LARGEST)):
            are_two = isinstance(limits, (tuple, list)) and len(limits) == 2 and all(map(is_number, limits))
            if not are_two or not 0 < limits[0] <= limits[1] <= highest:
                raise InvalidInputError(
                    f"RandomResizedCropFlip.{name}={limits} must be two positive numbers, the smaller first"
                    f"{', of at most 1' if highest == 1 else ''}."
                )

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Crops, resizes and mirrors each image by its last five numbers; see `Augmentation`."""
        _, height, width, _ = images.shape
        area = self.scale[0] + uniforms[:, 3:4] * (self.scale[1] - self.scale[0])
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        root_of_ratio = ops.exp(0.5 * (low + uniforms[:, 4:5] * (high - low)))
        wider = root_of_ratio * math.sqrt(height / width)  # as a share of the width, which may be another length
        rows = _positions(ops.minimum(ops.sqrt(area) / wider, 1.0), uniforms[:, 5:6], height)
        columns = _positions(ops.minimum(ops.sqrt(area) * wider, 1.0), uniforms[:, 6:7], width)
        if self.flip:
            columns = ops.where(uniforms[:, 7:8] < 0.5, ops.flip(columns, axis=1), columns)
        cropped = ops.einsum("bij,bjwc->biwc", _interpolation(rows, height), images)
        return ops.einsum("bkw,biwc->bikc", _interpolation(columns, width), cropped)


def _selection(sources: Any, size: int, dtype: str) -> Any:
    """Returns 0/1 matrices `[B, N, size]` that pick the sources `[B, N]`; a source out of range gives a row of 0."""
    return ops.cast(sources[:, :, None] == ops.arange(size, dtype="int32"), dtype)


def _positions(share: Any, offset: Any, size: int) -> Any:
    """Returns the positions `[B, size]`, in pixels of the image, of a crop's pixels.

    `share` `[B, 1]` is the crop's length over the image's, `offset` `[B, 1]` its position from 0 (first) to 1 (last).
    """
    centers = (ops.arange(size, dtype="float32") + 0.5)[None] * share + offset * (1.0 - share) * size
    return ops.clip(centers - 0.5, 0.0, size - 1.0)


def _interpolation(positions: Any, size: int) -> Any:
    """Returns bilinear weights `[B, N, size]` of the pixels around each position `[B, N]`."""
    return ops.maximum(1.0 - ops.abs(positions[:, :, None] - ops.arange(size, dtype="float32")), 0.0)
