"""Which images make room for new ones in a full memory."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class FirstInFirstOut(Configured):
    """The oldest images go: the memory holds exactly the newest."""

    def retention_score(self, buffer: Any) -> Any:
        """Returns for every place `[C]` how much it deserves to stay."""
        return buffer.insertion_index.value


@dataclasses.dataclass(frozen=True)
class RandomEviction(Configured):
    """Any image may go, so that the memory holds images of many rounds: of n batches ago a share (1 - B / C)^n.

    What is random is a function of the place and of how many images were written.
    """

    def retention_score(self, buffer: Any) -> Any:
        """Returns for every place `[C]` how much it deserves to stay."""
        places = ops.arange(buffer.insertion_index.shape[0], dtype="int32")
        return hash_uint32(places + hash_uint32(buffer.written.value))


def hash_uint32(values: Any) -> Any:
    """Returns whole numbers from 0 to 2^31 - 1 that look random, one for each int32 of at least 0."""
    values = ops.cast(values, "uint32")
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        values = ops.bitwise_xor(values, ops.right_shift(values, ops.cast(shift, "uint32")))
        values = values * ops.cast(factor, "uint32")
    values = ops.bitwise_xor(values, ops.right_shift(values, ops.cast(16, "uint32")))
    return ops.cast(ops.right_shift(values, ops.cast(1, "uint32")), "int32")


@dataclasses.dataclass(frozen=True)
class LowestPriorityFirst(Configured):
    """The images of the lowest priority go: those on which the student agrees with the teacher."""

    def retention_score(self, buffer: Any) -> Any:
        """Returns for every place `[C]` how much it deserves to stay."""
        return buffer.priorities.value


@dataclasses.dataclass(frozen=True)
class LargestClassFirst(Configured):
    """Images of whatever class is then the largest go, its oldest first, which evens the classes out.

    An image with many classes, of a segmenter, counts as of that of most of its pixels.
    """

    def retention_score(self, buffer: Any) -> Any:
        """Returns for every place `[C]` how much it deserves to stay."""
        # Going by age, the image that leaves n others of its class behind goes before all that leave fewer.
        by_age = ops.argsort(-buffer.insertion_index.value)
        classes = ops.take(ops.argmax(buffer.counts_by_image.value, axis=-1), by_age)
        membership = ops.cast(ops.one_hot(classes, buffer.class_counts.shape[0], dtype="float32"), "int32")
        newer = ops.sum(membership * ops.cumsum(membership, axis=0), axis=-1)
        return ops.take(-newer, ops.argsort(by_age))
