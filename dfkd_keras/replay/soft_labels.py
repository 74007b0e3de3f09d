"""The teacher's outputs for some views of each kept image, so that it need not see an image at every replay."""

import math
from typing import Any

from keras import ops

from dfkd_keras.backend.distribution import gather, local_shard, replicas
from dfkd_keras.backend.rows import assign_rows, take_rows
from dfkd_keras.backend.state import Component
from dfkd_keras.images import to_unit
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.buffer import ReplayBuffer, last_of_equals
from dfkd_keras.replay.capacity import check_soft_labels
from dfkd_keras.replay.image_source import ImageSource
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher, TeacherOutputs
from dfkd_keras.utils.checks import check_counts, check_fractions
from dfkd_keras.utils.errors import InvalidInputError

GOLDEN_RATIO = 0.618034  # multiples of it, modulo 1, spread evenly however many there are


class SoftLabelCache(Component):
    """Keeps, for each image of a replay buffer, some augmented views and the teacher's logits for them.

    When an image enters the buffer, the teacher sees `views` augmented versions of it. A student update then draws an
    image and one of its views, and takes the logits that are kept. A share of every batch gets a new view instead,
    which the teacher sees and which takes the place of the view drawn. An image thus costs `views` passes of the
    teacher when it enters, and `renewed_share` of one at each replay.

    A view is kept as the eight numbers that the augmentation makes it of, so it costs 32 bytes and the logits.

    Args:
        views: Integer. Views of each image, V. Defaults to 4.
        renewed_share: Float in [0, 1]. Share of the images of a batch, rounded up, that get a new view, of every
            replica's part of it. 1 shows the teacher every image at every update, as without a cache. Defaults to 0.25.

    Raises:
        InvalidInputError: If `views` is not a whole number of at least 1, or `renewed_share` is not in [0, 1].

    Reference:
        Shen and Xing, "A Fast Knowledge Distillation Framework for Visual Recognition" (FKD), ECCV 2022, which keeps
        the soft labels of random crops with their coordinates. Renewing views is our addition: the images of a small
        buffer are replayed often.

    Example:
        >>> cache = dk.replay.SoftLabelCache(views=4, renewed_share=0.25)
    """

    def __init__(self, views: int = 4, renewed_share: float = 0.25):
        super().__init__(name="soft_labels")
        check_counts("SoftLabelCache", views=views)
        if renewed_share is True or renewed_share != 1.0:  # True equals 1, but is no number
            check_fractions("SoftLabelCache", renewed_share=renewed_share)
        self.views, self.renewed_share = views, renewed_share

    def check(self, replay: ImageSource, augment: Any, distillation_loss: Any) -> None:
        """Raises `InvalidInputError` unless images are kept, augmented one by one, and matched by logits."""
        if not isinstance(replay, ReplayBuffer):
            raise InvalidInputError(
                "SoftLabelCache keeps logits for the images of a ReplayBuffer, but DataFreeDistiller.replay is "
                f"{type(replay).__name__}: set DataFreeDistiller.soft_label_cache = None."
            )
        if augment is not None and not getattr(augment, "by_image", False):
            raise InvalidInputError(
                "SoftLabelCache needs an augmentation of each image by its own numbers, which "
                f"{getattr(augment, '__name__', type(augment).__name__)} does not say that it is: use RandomCropFlip, "
                "give yours by_image = True, or set DataFreeDistiller.soft_label_cache = None."
            )
        if distillation_loss.matches_features:
            raise InvalidInputError(
                f"SoftLabelCache keeps logits, but {type(distillation_loss).__name__} matches features: use "
                "SoftTargets, or set DataFreeDistiller.soft_label_cache = None."
            )

    def prepare(self, teacher: Teacher, replay: ReplayBuffer, batch_size: int) -> None:
        """Creates the variables.

        Args:
            teacher: `Teacher`. The shape of its logits is used.
            replay: `ReplayBuffer`, prepared. Its capacity is used.
            batch_size: Integer. Images of a student update, B.

        Raises:
            InvalidInputError: If the logits exceed the machine's free memory.
        """
        self.drop_variables()
        rows = replay.capacity * self.views
        check_soft_labels(rows, Draws.AUGMENTATION, teacher)
        self.uniforms = self.state("uniforms", (rows, Draws.AUGMENTATION))
        self.logits = self.state("logits", (rows, *teacher.logits_shape))
        share = round(self.renewed_share * batch_size / replicas(), 6)  # 0.07 * 100 is a little more than 7
        self.renewed = math.ceil(share)

    def add(self, positions: Any, replay: ReplayBuffer, draws: Draws, augment: Any, teacher: Teacher) -> None:
        """Shows the teacher the views of images that have just entered the buffer.

        Args:
            positions: Integer tensor `[B]` of the images' positions, of all replicas.
            replay: `ReplayBuffer`. Where the images are.
            draws: `Draws`, of which `augmentation` is used.
            augment: Callable `(images, uniforms) -> images`, or None.
            teacher: `Teacher`.
        """
        images = to_unit(take_rows(replay.images, local_shard(positions)))
        for view in range(self.views):
            uniforms = ops.mod(draws.augmentation + view * GOLDEN_RATIO, 1.0)
            seen = images if augment is None else augment(images, uniforms)
            self._write(positions * self.views + view, gather(uniforms), gather(teacher(seen).logits))

    def recall(self, batch: ReplayBatch, draws: Draws, augment: Any, teacher: Teacher) -> tuple[Any, TeacherOutputs]:
        """Returns views of a batch and the teacher's logits for them.

        Args:
            batch: `ReplayBatch` of the buffer.
            draws: `Draws`, of which `augmentation` is used: its last number picks the view.
            augment: Callable `(images, uniforms) -> images`, or None.
            teacher: `Teacher`.

        Returns:
            The augmented unit images `[B, H, W, C]`, and a `TeacherOutputs` that has logits alone.
        """
        view = ops.cast(ops.floor(draws.augmentation[:, -1] * self.views), batch.indices.dtype)
        rows = local_shard(batch.indices) * self.views + ops.minimum(view, self.views - 1)
        new, kept = slice(None, self.renewed), slice(self.renewed, None)
        uniforms = ops.concatenate([draws.augmentation[new], take_rows(self.uniforms, rows[kept])])
        images = batch.images if augment is None else augment(batch.images, uniforms)
        logits = take_rows(self.logits, rows[kept])
        if self.renewed:
            seen = teacher(images[new]).logits
            self._write(gather(rows[new]), gather(uniforms[new]), gather(seen))
            logits = ops.concatenate([seen, logits])
        return images, TeacherOutputs(logits, features={}, batch_statistics=[])

    def _write(self, rows: Any, uniforms: Any, logits: Any) -> None:
        last = last_of_equals(rows)  # an image drawn twice keeps numbers and logits of one view
        assign_rows(self.uniforms, rows, ops.take(uniforms, last, axis=0))
        assign_rows(self.logits, rows, ops.take(logits, last, axis=0))


def look(
    cache: SoftLabelCache | None, batch: ReplayBatch, draws: Draws, augment: Any, teacher: Teacher
) -> tuple[Any, TeacherOutputs]:
    """Returns a batch's augmented images, and what the teacher says of them: by the cache if there is one."""
    if cache is not None:
        return cache.recall(batch, draws, augment, teacher)
    images = batch.images if augment is None else augment(batch.images, draws.augmentation)
    images = ops.stop_gradient(images)
    return images, teacher(images)
