"""Differentiable augmentation of unit images.

An augmentation is called as `augment(images, uniforms)`: with unit images `[B, H, W, C]` and numbers that are uniform
in [0, 1), `[B, 8]` (`Draws.augmentation`). Where an image moves away, its border is black, which is 0. The gradient
flows back to the images.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.images import STATISTICS, InputRange, relative_statistics
from dfkd_keras.utils.checks import LARGEST, check_choices, check_counts, check_flags, entries, is_number
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

__all__ = ["DataImpressionAugmentation", "RandomCropFlip", "RandomInputRange", "RandomResizedCropFlip", "RollFlip"]


class Augmentation(Configured):
    """Base class of the augmentations. A subclass implements `augment`, which says what uniform numbers it uses."""

    def __call__(self, images: Any, uniforms: Any) -> Any:
        """Augments a batch.

        Args:
            images: Float array or tensor `[B, H, W, C]`. Unit images.
            uniforms: Float array or tensor `[B, 8]` in [0, 1).

        Returns:
            The augmented images, float32 `[B, H, W, C]`.
        """
        return self.augment(ops.cast(images, "float32"), ops.cast(uniforms, "float32"))

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Augments float32 tensors; see `__call__`."""
        raise NotImplementedError


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
class RandomInputRange(Augmentation):
    """Shows a network whose input range is not known some of the images in other ranges.

    An image keeps its range with probability 0.5, or gets one of the others. What the network then takes is what the
    image would be in that range, so that a student matches its teacher whichever range is right.

    Args:
        input_range: String. The range that images are converted to, as in `InputConvention`. Defaults to "0..1".
        others: Sequence of strings. The other ranges that may be right. Defaults to none.

    Raises:
        InvalidInputError: If a range is unknown, or "normalized".

    Example:
        >>> augment = dk.augmentation.RandomInputRange("0..1", others=["0..255"])  # half of the images as from 0 to 255
    """

    input_range: InputRange = "0..1"
    others: Sequence[InputRange] = ()

    def __post_init__(self):
        ranges = {"input_range": self.input_range, **entries("RandomInputRange", others=self.others)}
        check_choices("RandomInputRange", STATISTICS, **ranges)

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Returns images that the conversion to `input_range` takes to a range chosen by the last number of each."""
        if not self.others:
            return images
        statistics = [self._statistics(each, images) for each in (self.input_range, *self.others)]
        position = ops.floor((2.0 * uniforms[:, -1] - 1.0) * len(self.others))  # below 0 for half of the images
        chosen = ops.maximum(0, ops.cast(position, "int32") + 1)
        scales, offsets = zip(*statistics, strict=True)
        scale, offset = (ops.take(np.stack(values), chosen, axis=0) for values in (scales, offsets))
        return images * scale[:, None, None, :] + offset[:, None, None, :]

    def in_range(self, images: Any, name: InputRange) -> Any:
        """Returns images `[B, H, W, C]` that the conversion to `input_range` takes to another range."""
        scale, offset = self._statistics(name, images)
        return images * scale + offset

    def _statistics(self, name: InputRange, images: Any) -> tuple[np.ndarray, np.ndarray]:
        return relative_statistics(name, self.input_range, images.shape[-1])


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


@dataclasses.dataclass(frozen=True)
class RollFlip(Augmentation):
    """Rolls the whole batch by one random offset around the border, which is DeepInversion's jitter.

    Args:
        pixels: Integer. Largest shift in each direction, in pixels. Defaults to 2, as in DeepInversion on CIFAR-10.
        flip: Boolean. Whether the whole batch is also mirrored with probability 0.5. Defaults to False.

    Raises:
        InvalidInputError: If `pixels` is negative or not a whole number, or `flip` is no Boolean.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020.

    Example:
        >>> augment = dk.augmentation.RollFlip(pixels=2)
    """

    pixels: int = 2
    flip: bool = False
    by_image = False  # the whole batch moves alike

    def __post_init__(self):
        check_counts("RollFlip", minimum=0, pixels=self.pixels)
        check_flags("RollFlip", flip=self.flip)

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Rolls and mirrors the batch by the first three numbers of its first row; see `Augmentation`."""
        first = gather(uniforms)[0]
        offsets = ops.cast(ops.floor(first[:2] * (2 * self.pixels + 1)), "int32") - self.pixels
        images = ops.roll(images, offsets, axis=(1, 2))
        return ops.where(first[2] < 0.5, ops.flip(images, axis=2), images) if self.flip else images


@dataclasses.dataclass(frozen=True)
class DataImpressionAugmentation(Augmentation):
    """ZSKD's augmentation of the student's images: crops, shifts, rotations, reflections, and their compositions.

    Each image gets one of the 103 geometric variants of the authors' code at random, where that code trains the student
    on all of them in every update. Its three variants with pixel noise, which it omits on MNIST, are left out. Shifted
    images are filled with black, where the authors fill with white.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks", ICML 2019; the authors' code.

    Example:
        >>> augment = dk.augmentation.DataImpressionAugmentation()
    """

    def augment(self, images: Any, uniforms: Any) -> Any:
        """Transforms each image by the variant that its first number picks; see `Augmentation`."""
        _, height, width, _ = images.shape
        variants = _data_impression_variants(height, width)  # [V, 2, 3]
        picked = ops.cast(ops.floor(uniforms[:, 0] * len(variants)), "int32")
        transforms = ops.take(ops.convert_to_tensor(variants), picked, axis=0)
        return _transformed(images, transforms)


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


def _transformed(images: Any, transforms: Any) -> Any:
    """Returns images `[B, H, W, C]` whose pixel (x, y) is the old one at `transforms` `[B, 2, 3]` times (x, y, 1).

    The interpolation is bilinear, with 0 outside the image. XLA cannot compile `ops.image.affine_transform`.
    """
    _, height, width, channels = images.shape
    positions = np.stack([*np.meshgrid(np.arange(width), np.arange(height)), np.ones((height, width))]).reshape(3, -1)
    sources = ops.matmul(transforms, ops.convert_to_tensor(positions.astype("float32")))
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
    """Returns the variants as affine matrices `[103, 2, 3]`, from a pixel's position to that in the old image."""
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
    to_center = _shift(0.5 - 0.5 * width, 0.5 - 0.5 * height)
    variants = [np.eye(3), *crops, *shifts, *rotations, *mirrored, *compositions]
    matrices = [np.linalg.inv(to_center) @ variant @ to_center for variant in variants]
    return np.stack(matrices)[:, :2].astype(np.float32)


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _rotation(angle: float) -> np.ndarray:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
