"""One forward pass of the networks on synthetic images: what the terms of an objective need of it."""

from typing import Any, NamedTuple

import keras
from keras import ops

from dfkd_keras.objectives.synthetic_batch import SyntheticBatch, gather_batch
from dfkd_keras.teacher.teacher import Teacher


class SynthesisContext(NamedTuple):
    """What a synthesizer may read but must not change.

    Attributes:
        teacher: `Teacher`. The frozen teacher.
        student: Keras model of the student, used in inference mode if a term needs it.
        class_counts: Integer tensor `[K]` of how many images (of a segmenter: pixels) of each class the replay buffer
            holds; None without a buffer.
    """

    teacher: Teacher
    student: keras.Model
    class_counts: Any = None


def forward_batch(images: Any, context: SynthesisContext, needs: frozenset[str], **known: Any) -> SyntheticBatch:
    """Runs teacher and student on images, on several replicas each on its shard of them.

    Args:
        images: Float tensor `[B, H, W, C]`. Unit images.
        context: `SynthesisContext`. Teacher, student and class counts.
        needs: Frozenset of strings. What the terms need (`Term.needs`); all else is left out.
        **known: Further attributes of the batch, by name.

    Returns:
        The `SyntheticBatch` of all replicas.
    """
    outputs, student_logits = context.teacher(images), None
    if context.teacher.is_segmenter:
        known["labels"] = None  # one class for an image says nothing of its pixels
    if "student" in needs:
        student_logits = ops.cast(context.student(context.teacher.to_inputs(images), training=False), "float32")
    batch = gather_batch(
        SyntheticBatch(
            images=images,
            teacher_logits=outputs.logits,
            teacher_features=outputs.features if "features" in needs else None,
            batch_statistics=outputs.batch_statistics,
            sample_means=outputs.sample_means,
            student_logits=student_logits,
            class_counts=context.class_counts if "class_counts" in needs else None,
            **known,
        )
    )
    if "normalized_images" in needs:
        batch = batch._replace(normalized_images=context.teacher.normalization.normalize(batch.images))
    return batch


def predicted_labels(images: Any, teacher: Teacher) -> Any:
    """Returns the classes that the teacher predicts for unit images, as they are stored in a replay buffer.

    Args:
        images: Float tensor `[B, H, W, C]`. Unit images; they are clipped to [0, 1].
        teacher: `Teacher`. The frozen teacher.

    Returns:
        int32 tensor `[B]`, or `[B, H, W]` for a segmenter.
    """
    return ops.cast(ops.argmax(teacher(ops.clip(images, 0.0, 1.0)).logits, axis=-1), "int32")
