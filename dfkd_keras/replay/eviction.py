"""Which images of a full replay buffer make room for new ones."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.utils.serialization import Configured


class Eviction(Configured):
    """How a full replay buffer chooses the images that new ones replace.

    A subclass implements `retention_score`; the images of the lowest score are replaced first.

    Class attributes:
        needs_priorities: Boolean. Whether it works only with a `Sampling` that keeps priorities.

    Example:
        >>> class MostCommonFirst(Eviction):
        ...     def retention_score(self, buffer):
        ...         return -keras.ops.sum(buffer.counts_by_image.value * buffer.class_counts.value, axis=-1)
    """

    needs_priorities: bool = False

    def retention_score(self, buffer: Any) -> Any:
        """Returns how much the image at each position deserves to stay.

        Args:
            buffer: `ReplayBuffer`. Its variables `insertion_index` and `priorities` `[C]`, `counts_by_image` `[C, K]`
                and `class_counts` `[K]` may be used, where C is the capacity.

        Returns:
            Integer or float tensor `[C]`. Scores of positions that are still empty are ignored.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class FirstInFirstOut(Eviction):
    """Replaces the oldest images, so that the buffer holds exactly the newest."""

    def retention_score(self, buffer: Any) -> Any:
        """Returns when each image was added; see `Eviction.retention_score`."""
        return buffer.insertion_index.value


@dataclasses.dataclass(frozen=True)
class RandomEviction(Eviction):
    """Replaces random images, so that the buffer holds images of many rounds.

    Of the images added n rounds ago, a share (1 - B / C)^n is left. The choice is a function of the position and of how
    many images were written, and is repeated by a resumed run.
    """

    def retention_score(self, buffer: Any) -> Any:
        """Returns random numbers; see `Eviction.retention_score`."""
        positions = ops.arange(buffer.insertion_index.shape[0], dtype="int32")
        return hash_uint32(positions + hash_uint32(buffer.written.value))


@dataclasses.dataclass(frozen=True)
class LowestPriorityFirst(Eviction):
    """Replaces the images of the lowest priority, on which the student agrees with the teacher."""

    needs_priorities = True

    def retention_score(self, buffer: Any) -> Any:
        """Returns the priorities; see `Eviction.retention_score`."""
        return buffer.priorities.value


@dataclasses.dataclass(frozen=True)
class LargestClassFirst(Eviction):
    """Replaces images of the class that is then the largest, its oldest first, which balances the classes.

    An image of many classes, as those of a segmenter, belongs to the class of most of its pixels.
    """

    def retention_score(self, buffer: Any) -> Any:
        """Returns minus the number of images of the same class that are as new or newer; see `Eviction`."""
        by_age = ops.argsort(-buffer.insertion_index.value)
        classes = ops.take(ops.argmax(buffer.counts_by_image.value, axis=-1), by_age)
        membership = ops.cast(ops.one_hot(classes, buffer.class_counts.shape[0], dtype="float32"), "int32")
        newer = ops.sum(membership * ops.cumsum(membership, axis=0), axis=-1)
        return ops.take(-newer, ops.argsort(by_age))


def hash_uint32(values: Any) -> Any:
    """Returns int32 numbers from 0 to 2^31 - 1 that look random, one for each int32 number of at least 0."""
    values = ops.cast(values, "uint32")
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        values = ops.bitwise_xor(values, ops.right_shift(values, ops.cast(shift, "uint32")))
        values = values * ops.cast(factor, "uint32")
    values = ops.bitwise_xor(values, ops.right_shift(values, ops.cast(16, "uint32")))
    return ops.cast(ops.right_shift(values, ops.cast(1, "uint32")), "int32")
