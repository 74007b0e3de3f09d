"""DeepInversion's jitter."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.augmentation.augmentation import Augmentation
from dfkd_keras.backend.distribution import gather
from dfkd_keras.utils.checks import check_counts, check_flags


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
