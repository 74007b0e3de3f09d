"""ZSKD's augmentation."""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.augmentation.augmentation import Augmentation


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
