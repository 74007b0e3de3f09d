"""Statistics of the images that the student learns from: classes, the teacher's confidence, priorities."""

from typing import NamedTuple

import numpy as np
from keras import ops

from dfkd_keras.backend.state import array_of
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.teacher.teacher import Teacher


class Diagnostics(NamedTuple):
    """Statistics of synthetic images.

    Attributes:
        class_counts: List of integers. Number of images, or of pixels for a segmenter, that the teacher assigns to each
            class; of the whole replay buffer if there is one.
        confidences: Float array `[N]`. The teacher's highest probability for each image of a sample, averaged over the
            pixels for a segmenter.
        effective_sample_size: Float or None. Number of images that priority sampling amounts to, `1 / sum_i P_i^2`,
            which is the size of the buffer for equal priorities. None without priorities, or if it is not known.
    """

    class_counts: list[int]
    confidences: np.ndarray
    effective_sample_size: float | None


def diagnose(distiller: DataFreeDistiller, images: int = 1024) -> Diagnostics:
    """Returns statistics of the replay buffer, or of newly synthesized images if there is none.

    Args:
        distiller: `DataFreeDistiller`.
        images: Integer. Size of the sample. Defaults to 1024.
    """
    counts, confidences = teacher_statistics(distiller.teacher, distiller.replay.preview(images, distiller))
    if distiller.replay.keeps_images:
        counts = array_of(distiller.replay.class_counts)
    return Diagnostics(counts.tolist(), confidences, distiller.replay.effective_sample_size())


def teacher_statistics(teacher: Teacher, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how the teacher classifies images.

    Args:
        teacher: `Teacher`.
        images: Float32 array `[N, H, W, C]`. Unit images.

    Returns:
        Integer array `[K]`, the number of images, or pixels, per class; and float array `[N]`, the teacher's highest
        probability for each image.
    """
    batch_size, counts = evaluation_batch_size(images.shape), np.zeros(teacher.num_classes, int)
    confidences = [np.zeros(0)]
    for start in range(0, len(images), batch_size):
        logits = teacher(images[start : start + batch_size]).logits
        probabilities = ops.convert_to_numpy(ops.softmax(logits))
        counts = counts + np.bincount(probabilities.argmax(axis=-1).ravel(), minlength=teacher.num_classes)
        confidences.append(probabilities.max(axis=-1).reshape(len(probabilities), -1).mean(axis=-1))
    return counts, np.concatenate(confidences)
