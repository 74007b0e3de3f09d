"""A memory of synthetic images, part of the model's state and held on the accelerator."""

from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather, local_shard
from dfkd_keras.backend.rows import assign_rows, take_rows, value_or_none
from dfkd_keras.backend.state import INTEGER, Component
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.capacity import check_capacity
from dfkd_keras.replay.eviction import FirstInFirstOut, LargestClassFirst, LowestPriorityFirst, RandomEviction
from dfkd_keras.replay.sampling import PrioritySampling, UniformSampling
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError


class ReplayBuffer(Component):
    """Keeps synthetic images as uint8 and draws the student's batches from them.

    A batch is written in order into free places; when there are none left, into those that the eviction gives up, so
    that the memory is updated partially. New images get the largest priority there is (1 before the student's first
    update), so that each is soon seen.

    Args:
        capacity_images: how many images it holds, a byte for each value: 3,072 each at 32x32x3, 786 MB for 16,000 at
            128x128x3; None for as many as the schedule will write, a memory that only grows (Fast).
        sampling: which images the student sees.
        eviction: which images go when it is full.

    Example:
        >>> replay = ReplayBuffer(5000, PrioritySampling(priority_exponent=0.5, importance_sampling_exponent=0.4))
    """

    keeps_images = True

    def __init__(
        self,
        capacity_images: int | None = 5000,
        sampling: UniformSampling | PrioritySampling | None = None,
        eviction: FirstInFirstOut | RandomEviction | LowestPriorityFirst | LargestClassFirst | None = None,
    ):
        super().__init__(name="replay")
        self.capacity_images = capacity_images
        self.sampling, self.eviction = sampling or UniformSampling(), eviction or FirstInFirstOut()
        self.names, self.grows = self.sampling.names, capacity_images is None
        self.has_priorities = bool(self.names)
        if isinstance(self.eviction, LowestPriorityFirst) and not self.has_priorities:
            raise InvalidInputError(
                "LowestPriorityFirst needs priorities, which UniformSampling does not keep: use PrioritySampling, or "
                "another ReplayBuffer.eviction."
            )

    def prepare(self, teacher: Teacher, batch_size: int, rounds: int) -> None:
        """Makes room.

        Args:
            teacher: tells the shape of the images, the number of classes, and whether pixels or images are counted.
            batch_size: images per write.
            rounds: writes in the whole training.

        Raises:
            ValueError: if the capacity is smaller than a batch, or does not fit into the machine's memory.
        """
        capacity = rounds * batch_size if self.capacity_images is None else self.capacity_images
        check_counts("ReplayBuffer", capacity_images=capacity)
        if capacity < batch_size:
            raise InvalidInputError(
                f"ReplayBuffer.capacity_images={capacity} cannot hold the {batch_size} images that a round writes: "
                "raise it, or lower batch_size."
            )
        self.drop_variables()
        self.normalization = teacher.normalization
        check_capacity(capacity, teacher)
        self.images = self.state("images", (capacity, *teacher.image_shape), "uint8")
        self.counts_by_image = self.state("counts_by_image", (capacity, teacher.num_classes), INTEGER)
        self.priorities = self.state("priorities", (capacity,), "float32")
        self.insertion_index = self.state("insertion_index", (capacity,), INTEGER)
        self.class_counts = self.state("class_counts", (teacher.num_classes,), INTEGER)
        self.size = self.state("size", (), INTEGER)
        self.written = self.state("written", (), INTEGER)
        self.sample_count = self.state("sample_count", (), INTEGER)

    @property
    def stored(self) -> int:
        """How many images it holds."""
        return int(ops.convert_to_numpy(self.size.value))

    @property
    def empty(self) -> bool:
        """Whether there is no image to draw."""
        return self.stored == 0

    def add(self, images: Any, labels: Any) -> None:
        """Adds a batch.

        Args:
            images: in [0, 1], `[B, H, W, C]`.
            labels: the class the teacher sees in each, int32 `[B]`, or in each of its pixels, `[B, H, W]`.
        """
        count, capacity = ops.shape(images)[0], self.images.shape[0]
        places = self._places(count)
        evicted = take_rows(self.counts_by_image, places) * ops.cast(places < self.size.value, INTEGER)[:, None]
        added = ops.one_hot(labels, self.class_counts.shape[0], dtype=INTEGER)
        added = ops.sum(ops.reshape(added, (count, -1, self.class_counts.shape[0])), axis=1)
        self.class_counts.assign(self.class_counts.value + ops.sum(added - evicted, axis=0))
        highest = ops.max(self.priorities.value)
        highest = ops.where(highest > 0.0, highest, 1.0)
        assign_rows(self.images, places, ops.cast(ops.round(ops.clip(images, 0.0, 1.0) * 255.0), "uint8"))
        assign_rows(self.counts_by_image, places, added)
        assign_rows(self.priorities, places, ops.full((count,), 1.0) * highest)
        assign_rows(self.insertion_index, places, self.written.value + 1 + ops.arange(count, dtype=INTEGER))
        self.written.assign(ops.add(self.written, count))
        self.size.assign(ops.minimum(ops.add(self.size, count), capacity))

    def sample(self, draws: Draws, synthesizer: Any = None, teacher: Teacher | None = None) -> ReplayBatch:
        """Draws a batch.

        Args:
            draws: of which `selection` is used.
            synthesizer: unused.
            teacher: unused.

        Raises:
            ValueError: if nothing was written yet, where that can be seen (outside compiled steps).
        """
        size = value_or_none(self.size.value)
        if size is not None and size == 0:
            raise InvalidInputError("the ReplayBuffer is empty: let the schedule begin with rounds that write to it.")
        arguments = self.priorities.value, self.size.value, self.sample_count.value, gather(draws.selection)
        indices, importance = self.sampling.sample(*arguments)
        self.sample_count.assign(self.sample_count.value + 1)
        images = self.normalization.from_bytes(take_rows(self.images, local_shard(indices)))
        return ReplayBatch(images, self.sampling.normalized(importance), importance, indices)

    def update(self, batch: ReplayBatch, teacher_logits: Any, student_logits: Any) -> dict[str, Any]:
        """Refreshes the priorities of a drawn batch from the forward pass that trained the student.

        Returns:
            What to log: the mean of the new "priority", which is NaN if one of them is negative or NaN.

        Raises:
            ValueError: if a priority is negative or NaN, where that can be seen (outside compiled steps).
        """
        if not self.has_priorities:
            return {}
        priorities = self.sampling.priorities(teacher_logits, student_logits, batch.importance)
        if (values := value_or_none(priorities)) is not None and not (values >= 0).all():
            raise InvalidInputError(self.sampling.refusal(values.min()))
        # Were a NaN kept, it would soon be in the student's loss too, and nobody could tell which came first.
        kept = ops.where(priorities >= 0, priorities, 0.0)
        assign_rows(self.priorities, batch.indices, last_of_equals(batch.indices, kept))
        return {"priority": ops.mean(ops.where(priorities >= 0, priorities, float("nan")))}

    def preview(self, count: int, distiller: Any = None) -> np.ndarray:
        """Returns some of its images for inspection: unit images `[min(count, size), H, W, C]`."""
        order = np.random.default_rng(0).permutation(self.stored)[:count].astype(np.int32)
        return ops.convert_to_numpy(take_rows(self.images, order)).astype(np.float32) / np.float32(255.0)

    def _places(self, count: Any) -> Any:
        capacity = self.images.shape[0]
        keep = self.eviction.retention_score(self)
        filled = ops.arange(capacity, dtype=INTEGER) < self.size.value
        lowest = ops.min(keep) - 1
        order = ops.argsort(ops.where(filled, keep, ops.cast(lowest, keep.dtype)))
        return ops.cast(order[:count], INTEGER)


def last_of_equals(indices: Any, values: Any) -> Any:
    """Returns values `[B]`, those of equal indices `[B]` being the last one of them.

    An image may be drawn twice, and which of two writes to one place counts, accelerators leave open.
    """
    places = ops.arange(ops.shape(indices)[0])
    return ops.take(values, ops.max(ops.where(indices[:, None] == indices, places, -1), axis=1))
