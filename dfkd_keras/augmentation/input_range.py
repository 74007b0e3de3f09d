"""Images in ranges that a network may have been trained on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.augmentation.augmentation import Augmentation
from dfkd_keras.images import STATISTICS, InputRange, relative_statistics
from dfkd_keras.utils.checks import check_choices, entries


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
