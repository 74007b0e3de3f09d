"""Differentiable augmentation of unit images.

An augmentation is called as `augment(images, uniforms)`: with unit images `[B, H, W, C]` and numbers that are uniform
in [0, 1), `[B, 8]` (`Draws.augmentation`). Where an image moves away, its border is black, which is 0. The gradient
flows back to the images.
"""

from dfkd_keras.augmentation.crops import RandomCropFlip, RandomResizedCropFlip
from dfkd_keras.augmentation.data_impression import DataImpressionAugmentation
from dfkd_keras.augmentation.input_range import RandomInputRange
from dfkd_keras.augmentation.roll import RollFlip

__all__ = ["DataImpressionAugmentation", "RandomCropFlip", "RandomInputRange", "RandomResizedCropFlip", "RollFlip"]
