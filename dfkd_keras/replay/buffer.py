"""The replay buffer of synthetic images, part of the model's state and held on the accelerator."""

from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather, local_shard
from dfkd_keras.backend.rows import assign_rows, take_rows, value_or_none
from dfkd_keras.backend.state import INTEGER, Component, array_of
from dfkd_keras.images import to_uint8, to_unit
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.capacity import check_capacity
from dfkd_keras.replay.eviction import Eviction, FirstInFirstOut
from dfkd_keras.replay.image_source import ImageSource
from dfkd_keras.replay.sampling import Sampling, UniformSampling
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_kinds, given
from dfkd_keras.utils.errors import InvalidInputError


class ReplayBuffer(Component, ImageSource):
    """Keeps synthetic images as uint8 and draws the student's batches from them.

    A batch is written in order into empty positions; when there are none left, it replaces the images that the eviction
    gives up, so that the buffer is updated partially. New images get the highest priority there is (1 before the
    student's first update), so that each is soon drawn.

    Args:
        capacity_images: Integer. Number of images that the buffer holds, one byte for each value: 3,072 bytes each at
            32x32x3, 786 MB for 16,000 at 128x128x3. None holds as many as the schedule will write, so that the buffer
            only grows, as in Fast. Defaults to 5000.
        sampling: `Sampling`. Which images the student is trained on. Defaults to `UniformSampling()`.
        eviction: `Eviction`. Which images are replaced when the buffer is full. Defaults to `FirstInFirstOut()`.

    Raises:
        InvalidInputError: If the capacity is below 1, a part is of the wrong kind, or the eviction needs priorities
            that the sampling does not keep.

    Reference:
        Liu et al., "Small Scale Data-Free Knowledge Distillation" (SSD-KD), CVPR 2024, whose buffer is of fixed size,
        written in order and updated partially. The eviction and the priority of new images are reconstructed.

    Example:
        >>> replay = ReplayBuffer(5000, PrioritySampling(priority_exponent=0.5, importance_sampling_exponent=0.4))
    """

    keeps_images = True

    def __init__(
        self,
        capacity_images: int | None = 5000,
        sampling: Sampling | None = None,
        eviction: Eviction | None = None,
    ):
        super().__init__(name="replay")
        check_counts("ReplayBuffer", **given(capacity_images=capacity_images))
        self.capacity_images = capacity_images
        self.sampling = UniformSampling() if sampling is None else sampling
        self.eviction = FirstInFirstOut() if eviction is None else eviction
        check_kinds("ReplayBuffer", Sampling, sampling=self.sampling)
        check_kinds("ReplayBuffer", Eviction, eviction=self.eviction)
        if self.eviction.needs_priorities and not self.has_priorities:
            raise InvalidInputError(
                f"{type(self.eviction).__name__} needs priorities, which {type(self.sampling).__name__} does not keep: "
                "use PrioritySampling, or another ReplayBuffer.eviction."
            )

    @property
    def grows(self) -> bool:
        """Whether the capacity follows from the schedule."""
        return self.capacity_images is None

    @property
    def has_priorities(self) -> bool:
        """Whether images are drawn by priority, and weighted."""
        return self.sampling.has_priorities

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values that `update` returns."""
        return ("priority",) if self.has_priorities else ()

    @property
    def capacity(self) -> int:
        """Number of images that the buffer can hold."""
        return self.images.shape[0]

    @property
    def stored(self) -> int:
        """Number of images in the buffer."""
        return int(array_of(self.size))

    def prepare(self, teacher: Teacher, batch_size: int, rounds: int) -> None:
        """Creates the variables; see `ImageSource.prepare`.

        Raises:
            InvalidInputError: If the capacity is smaller than a batch or exceeds the machine's free memory.
        """
        capacity = rounds * batch_size if self.capacity_images is None else self.capacity_images
        check_counts("ReplayBuffer", capacity_images=capacity)
        if capacity < batch_size:
            raise InvalidInputError(
                f"ReplayBuffer.capacity_images={capacity} cannot hold the {batch_size} images that a round writes: "
                "raise it, or lower batch_size."
            )
        self.drop_variables()
        check_capacity(capacity, teacher)
        self.images = self.state("images", (capacity, *teacher.image_shape), "uint8")
        self.counts_by_image = self.state("counts_by_image", (capacity, teacher.num_classes), INTEGER)
        self.priorities = self.state("priorities", (capacity,), "float32")
        self.insertion_index = self.state("insertion_index", (capacity,), INTEGER)
        self.class_counts = self.state("class_counts", (teacher.num_classes,), INTEGER)
        self.size = self.state("size", (), INTEGER)
        self.written = self.state("written", (), INTEGER)
        self.sample_count = self.state("sample_count", (), INTEGER)

    def add(self, images: Any, labels: Any) -> Any:
        """Adds a batch of unit images and the classes that the teacher predicts for them; see `ImageSource.add`."""
        count = ops.shape(images)[0]
        positions = self._positions_to_write(count)
        evicted = take_rows(self.counts_by_image, positions) * ops.cast(positions < self.size.value, INTEGER)[:, None]
        added = ops.one_hot(labels, self.class_counts.shape[0], dtype=INTEGER)
        added = ops.sum(ops.reshape(added, (count, -1, self.class_counts.shape[0])), axis=1)
        self.class_counts.assign(self.class_counts.value + ops.sum(added - evicted, axis=0))
        highest = ops.max(self.priorities.value)
        highest = ops.where(highest > 0.0, highest, 1.0)
        assign_rows(self.images, positions, to_uint8(images))
        assign_rows(self.counts_by_image, positions, added)
        assign_rows(self.priorities, positions, ops.full((count,), 1.0) * highest)
        assign_rows(self.insertion_index, positions, self.written.value + 1 + ops.arange(count, dtype=INTEGER))
        self.written.assign(ops.add(self.written, count))
        self.size.assign(ops.minimum(ops.add(self.size, count), self.capacity))
        return positions

    def sample(self, draws: Draws, synthesizer: Any = None, teacher: Teacher | None = None) -> ReplayBatch:
        """Draws a batch.

        Args:
            draws: `Draws`, of which `selection` is used.
            synthesizer: Unused. Defaults to None.
            teacher: Unused. Defaults to None.

        Returns:
            The `ReplayBatch`, whose images are unit images in [0, 1].

        Raises:
            InvalidInputError: If the buffer is empty, where that can be known (outside of compiled steps).
        """
        size = value_or_none(self.size.value)
        if size is not None and size == 0:
            raise InvalidInputError("the ReplayBuffer is empty: let the schedule begin with rounds that write to it.")
        arguments = self.priorities.value, self.size.value, self.sample_count.value, gather(draws.selection)
        indices, importance = self.sampling.sample(*arguments)
        self.sample_count.assign(self.sample_count.value + 1)
        images = to_unit(take_rows(self.images, local_shard(indices)))
        return ReplayBatch(images, self.sampling.normalized(importance), importance, indices)

    def update(self, batch: ReplayBatch, teacher_logits: Any, student_logits: Any) -> dict[str, Any]:
        """Refreshes the priorities of a batch from the forward pass that trained the student; see `ImageSource.update`.

        Returns:
            The mean of the new "priority", which is NaN if one of them is negative or NaN; nothing without priorities.

        Raises:
            InvalidInputError: If a priority is negative or NaN, where that can be known (outside of compiled steps).
        """
        if not self.has_priorities:
            return {}
        priorities = self.sampling.priorities(teacher_logits, student_logits, batch.importance)
        if (values := value_or_none(priorities)) is not None and not (values >= 0).all():
            raise InvalidInputError(self.sampling.invalid_priority(values.min()))
        # A NaN that is kept would soon be in the student's loss too, and hide where it came from.
        kept = ops.where(priorities >= 0, priorities, 0.0)
        assign_rows(self.priorities, batch.indices, ops.take(kept, last_of_equals(batch.indices)))
        return {"priority": ops.mean(ops.where(priorities >= 0, priorities, float("nan")))}

    def invalid_value(self, name: str, value: float) -> str:
        """Returns the error message for a priority that is negative or not finite; see `ImageSource.invalid_value`."""
        return self.sampling.invalid_priority(value)

    def effective_sample_size(self) -> float | None:
        """Returns what sampling amounts to; see `ImageSource.effective_sample_size`. None without priorities."""
        if not self.has_priorities:
            return None
        probabilities = self.sampling.probabilities(self.priorities.value, self.size.value)
        if probabilities is None:
            return None
        return float(1.0 / np.sum(np.square(ops.convert_to_numpy(probabilities), dtype=np.float64)))

    def preview(self, count: int, distiller: Any = None) -> np.ndarray:
        """Returns some images of the buffer for inspection; see `ImageSource.preview`."""
        order = np.random.default_rng(0).permutation(self.stored)[:count].astype(np.int32)
        return ops.convert_to_numpy(to_unit(take_rows(self.images, order)))

    def _positions_to_write(self, count: Any) -> Any:
        score = self.eviction.retention_score(self)
        filled = ops.arange(self.capacity, dtype=INTEGER) < self.size.value
        lowest = ops.min(score) - 1
        order = ops.argsort(ops.where(filled, score, ops.cast(lowest, score.dtype)))
        return ops.cast(order[:count], INTEGER)


def last_of_equals(indices: Any) -> Any:
    """Returns, for each of some indices `[B]`, the position of the last one that equals it, `[B]`.

    An image may be drawn twice, and accelerators leave open which of two writes to one place counts: where both write
    what the last of them has, it does not matter.
    """
    positions = ops.arange(ops.shape(indices)[0])
    return ops.max(ops.where(indices[:, None] == indices, positions, -1), axis=1)
