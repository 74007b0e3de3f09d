"""Differentiable augmentation, drawn per image."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.checks import check_counts
from dfkd_keras.serialization import Configured


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
            uniforms: `[B, 3]` in [0, 1), see `Draws.augmentation`.
            fill: the border's value, a number or one per channel `[C]`.

        Returns:
            The augmented images, `[B, H, W, C]`.
        """
        _, height, width, _ = images.shape
        shifts = ops.cast(ops.floor(uniforms[:, :2] * (2 * self.padding + 1)), "int32") - self.padding
        columns = ops.arange(width, dtype="int32")[None]
        if self.flip:
            columns = ops.where(uniforms[:, 2:] < 0.5, width - 1 - columns, columns)
        rows = _selection(ops.arange(height, dtype="int32")[None] + shifts[:, :1], height, images.dtype)
        columns = _selection(columns + shifts[:, 1:], width, images.dtype)
        shifted = ops.einsum("bij,bjwc->biwc", rows, images - fill)
        return ops.einsum("bkw,biwc->bikc", columns, shifted) + fill


def _selection(sources: Any, size: int, dtype: str) -> Any:
    """Returns `[B, N, size]`: row n of an image picks its source, or nothing where that is out of range."""
    return ops.cast(sources[:, :, None] == ops.arange(size, dtype="int32"), dtype)
