"""Differentiable augmentation, drawn per image."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

__all__ = ["DataImpressionAugmentation", "RandomCropFlip", "RandomResizedCropFlip", "RollFlip"]


@dataclasses.dataclass(frozen=True)
class RandomCropFlip(Configured):
    """Shifts every image by its own offset, fills the border, and mirrors every other one on average.

    The same as padding, cropping at random and flipping at random. The gradient flows back to the images. Shifting is
    a product with a 0/1 matrix per image, which is faster than gathering, forward and backward.

    Args:
        padding: the largest shift in pixels, in each direction; 4 on 32x32 images in most papers.
        flip: whether to mirror; not for digits.
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self):
        check_counts("RandomCropFlip", minimum=0, padding=self.padding)

    def __call__(self, images: Any, uniforms: Any, fill: Any = 0.0) -> Any:
        """Augments a batch.

        Args:
            images: float `[B, H, W, C]`.
            uniforms: `[B, 8]` in [0, 1), of which the first three are used; see `Draws.augmentation`.
            fill: the border's value, a number or one per channel `[C]`.

        Returns:
            The augmented images, `[B, H, W, C]`.
        """
        _, height, width, _ = images.shape
        shifts = ops.cast(ops.floor(uniforms[:, :2] * (2 * self.padding + 1)), "int32") - self.padding
        columns = ops.arange(width, dtype="int32")[None]
        if self.flip:
            columns = ops.where(uniforms[:, 2:3] < 0.5, width - 1 - columns, columns)
        rows = _selection(ops.arange(height, dtype="int32")[None] + shifts[:, :1], height, images.dtype)
        columns = _selection(columns + shifts[:, 1:], width, images.dtype)
        shifted = ops.einsum("bij,bjwc->biwc", rows, images - fill)
        return ops.einsum("bkw,biwc->bikc", columns, shifted) + fill


@dataclasses.dataclass(frozen=True)
class RandomResizedCropFlip(Configured):
    """Cuts a random part out of every image, enlarges it to the full size, and mirrors every other one on average.

    Bilinear; the gradient flows back to the images.

    Args:
        scale: the part's share of the image's area, from and to; (0.25, 1.0) in CMI.
        ratio: its width over its height, from and to, uniform in the logarithm.
        flip: whether to mirror; not for digits.
    """

    scale: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __post_init__(self):
        for name, (low, high), highest in (("scale", self.scale, 1.0), ("ratio", self.ratio, math.inf)):
            if not 0 < low <= high <= highest:
                raise InvalidInputError(
                    f"RandomResizedCropFlip.{name}={(low, high)} must be two positive numbers, the smaller first"
                    f"{', of at most 1' if highest == 1 else ''}."
                )

    def __call__(self, images: Any, uniforms: Any, fill: Any = 0.0) -> Any:
        """Augments a batch.

        Args:
            images: float `[B, H, W, C]`.
            uniforms: `[B, 8]` in [0, 1), of which the last five are used; see `Draws.augmentation`.
            fill: unused, since nothing from outside the image is seen.

        Returns:
            The augmented images, `[B, H, W, C]`.
        """
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


@dataclasses.dataclass(frozen=True)
class RollFlip(Configured):
    """Shifts the whole batch by one random offset, what leaves at one border entering at the other: DeepInversion's
    jitter.

    Args:
        pixels: the largest shift, in each direction; 2 in DeepInversion on CIFAR-10.
        flip: whether to mirror the whole batch half of the time.
    """

    pixels: int = 2
    flip: bool = False

    def __post_init__(self):
        check_counts("RollFlip", minimum=0, pixels=self.pixels)

    def __call__(self, images: Any, uniforms: Any, fill: Any = 0.0) -> Any:
        """Shifts images `[B, H, W, C]` by the first image's `uniforms` `[B, 8]`; `fill` is unused."""
        first = gather(uniforms)[0]
        offsets = ops.cast(ops.floor(first[:2] * (2 * self.pixels + 1)), "int32") - self.pixels
        images = ops.roll(images, offsets, axis=(1, 2))
        return ops.where(first[2] < 0.5, ops.flip(images, axis=2), images) if self.flip else images


@dataclasses.dataclass(frozen=True)
class DataImpressionAugmentation(Configured):
    """ZSKD's augmentation of the student's images: crops, shifts, rotations, mirroring, and their compositions.

    Each image gets one of the 103 geometric variants of the authors' code at random, where that code shows the student
    all of them in every update. Its three variants with pixel noise, which it omits on MNIST itself, are left out.
    """

    def __call__(self, images: Any, uniforms: Any, fill: Any = 0.0) -> Any:
        """Augments a batch.

        Args:
            images: float `[B, H, W, C]`.
            uniforms: `[B, 8]` in [0, 1), of which the first picks the variant; see `Draws.augmentation`.
            fill: the value of what lies outside the image, a number or one per channel `[C]`.

        Returns:
            The augmented images, `[B, H, W, C]`.
        """
        _, height, width, _ = images.shape
        variants = _data_impression_variants(height, width)  # [V, 2, 3]
        picked = ops.cast(ops.floor(uniforms[:, 0] * len(variants)), "int32")
        transforms = ops.take(ops.convert_to_tensor(variants), picked, axis=0)
        return _transformed(images - fill, transforms) + fill


def _selection(sources: Any, size: int, dtype: str) -> Any:
    """Returns `[B, N, size]`: row n of an image picks its source, or nothing where that is out of range."""
    return ops.cast(sources[:, :, None] == ops.arange(size, dtype="int32"), dtype)


def _positions(share: Any, offset: Any, size: int) -> Any:
    """Returns `[B, size]`: where in the image the pixels of a part, `share` `[B, 1]` of its length, lie."""
    centers = (ops.arange(size, dtype="float32") + 0.5)[None] * share + offset * (1.0 - share) * size
    return ops.clip(centers - 0.5, 0.0, size - 1.0)


def _interpolation(positions: Any, size: int) -> Any:
    """Returns `[B, N, size]`: the weights of the pixels around each position `[B, N]`."""
    return ops.maximum(1.0 - ops.abs(positions[:, :, None] - ops.arange(size, dtype="float32")), 0.0)


def _transformed(images: Any, transforms: Any) -> Any:
    """Returns images `[B, H, W, C]` whose pixel (x, y) is the old one at `transforms` `[B, 2, 3]` times (x, y, 1).

    Bilinear, 0 outside. `ops.image.affine_transform` is not compiled by XLA.
    """
    _, height, width, channels = images.shape
    places = np.stack([*np.meshgrid(np.arange(width), np.arange(height)), np.ones((height, width))]).reshape(3, -1)
    sources = ops.matmul(transforms, ops.convert_to_tensor(places.astype("float32")))
    corners, flat = ops.floor(sources), ops.reshape(images, (-1, height * width, channels))
    result = 0.0
    for across, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = corners[:, 0] + across, corners[:, 1] + down
        weights = (1.0 - ops.abs(sources[:, 0] - x)) * (1.0 - ops.abs(sources[:, 1] - y))
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        indices = ops.cast(ops.where(inside, y * width + x, 0.0), "int32")
        values = ops.take_along_axis(flat, indices[:, :, None], axis=1)
        result += ops.cast(ops.where(inside, weights, 0.0), images.dtype)[:, :, None] * values
    return ops.reshape(result, (-1, height, width, channels))


@functools.cache
def _data_impression_variants(height: int, width: int) -> np.ndarray:
    """Returns the variants, `[103, 2, 3]`: from a pixel's place to that in the old image."""
    crops = [np.diag([share, share, 1.0]) for share in (0.9, 0.75, 0.6)]
    shifts = [_shift(x * 0.2 * width, y * 0.2 * height) for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    rotations = [_rotation(math.radians(angle)) for angle in range(-90, 91, 20)]
    mirrored = [np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, -1.0, 1.0]), np.eye(3)[[1, 0, 2]]]
    compositions = [
        first @ second
        for firsts, seconds in ((crops, shifts), (shifts, rotations), (crops, rotations))
        for first in firsts
        for second in seconds
    ]
    to_centre = _shift(0.5 - 0.5 * width, 0.5 - 0.5 * height)
    variants = [np.eye(3), *crops, *shifts, *rotations, *mirrored, *compositions]
    matrices = [np.linalg.inv(to_centre) @ variant @ to_centre for variant in variants]
    return np.stack(matrices)[:, :2].astype(np.float32)


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _rotation(angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
