"""What the images look like that the student learns from: classes, the teacher's confidence, priorities."""

from typing import NamedTuple

import numpy as np
from keras import ops

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.replay import PrioritySampling, ReplayBuffer
from dfkd_keras.teacher.teacher import Teacher


class Diagnostics(NamedTuple):
    """Statistics of the synthetic images.

    Attributes:
        class_counts: how many of them, or of a segmenter's pixels, the teacher puts into each class; of the whole
            memory, if there is one.
        confidences: the teacher's highest probability for each image of a sample, the mean over pixels for a segmenter.
        effective_sample_size: to how many images, drawn uniformly, priority sampling amounts, 1 / sum_i P_i^2; None
            without priorities.
    """

    class_counts: list[int]
    confidences: np.ndarray
    effective_sample_size: float | None


def diagnose(distiller: DataFreeDistiller, images: int = 1024) -> Diagnostics:
    """Examines `images` of the synthetic images, or of the memory if there is one."""
    counts, confidences = seen_by_teacher(distiller.teacher, distiller.replay.preview(images, distiller))
    if distiller.replay.keeps_images:
        counts = ops.convert_to_numpy(distiller.replay.class_counts.value)
    size = effective_sample_size(distiller.replay) if distiller.replay.has_priorities else None
    return Diagnostics(counts.tolist(), confidences, size)


def seen_by_teacher(teacher: Teacher, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what the teacher sees in unit images `[N, H, W, C]`.

    Returns:
        How many images, or pixels, are of each class `[K]`, and its confidence in each image `[N]`.
    """
    batch_size, counts, confidences = (
        evaluation_batch_size(images.shape),
        np.zeros(teacher.num_classes, int),
        [np.zeros(0)],
    )
    for start in range(0, len(images), batch_size):
        batch = teacher.normalization.convert(images[start : start + batch_size], "unit", "normalized")
        probabilities = ops.convert_to_numpy(ops.softmax(teacher(batch).logits))
        counts = counts + np.bincount(probabilities.argmax(axis=-1).ravel(), minlength=teacher.num_classes)
        confidences.append(probabilities.max(axis=-1).reshape(len(probabilities), -1).mean(axis=-1))
    return counts, np.concatenate(confidences)


def effective_sample_size(replay: ReplayBuffer) -> float:
    """Returns 1 / sum_i P_i^2 for the probabilities of a memory with priorities."""
    sampling: PrioritySampling = replay.sampling
    probabilities = ops.convert_to_numpy(sampling.probabilities(replay.priorities.value, replay.size.value))
    return float(1.0 / np.sum(np.square(probabilities, dtype=np.float64)))
