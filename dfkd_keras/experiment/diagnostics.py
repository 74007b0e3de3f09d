"""What the images look like that the student learns from: classes, the teacher's confidence, priorities."""

from typing import NamedTuple

import numpy as np
from keras import ops

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.replay import PrioritySampling, ReplayBuffer
from dfkd_keras.teacher import Teacher


class Diagnostics(NamedTuple):
    """Statistics of the synthetic images.

    Attributes:
        class_counts: how many of them the teacher puts into each class; of the whole memory, if there is one.
        confidences: the teacher's highest probability for each image of a sample.
        effective_sample_size: to how many images, drawn uniformly, priority sampling amounts, 1 / sum_i P_i^2; None
            without priorities.
    """

    class_counts: list[int]
    confidences: np.ndarray
    effective_sample_size: float | None


def diagnose(distiller: DataFreeDistiller, images: int = 1024) -> Diagnostics:
    """Examines `images` of the synthetic images, or of the memory if there is one."""
    probabilities = teacher_probabilities(distiller.teacher, distiller.replay.show(images, distiller))
    if distiller.replay.keeps_images:
        counts = ops.convert_to_numpy(distiller.replay.class_counts.value)
    else:
        counts = np.bincount(probabilities.argmax(axis=-1).ravel(), minlength=distiller.teacher.classes)
    size = effective_sample_size(distiller.replay) if distiller.replay.names else None
    return Diagnostics(counts.tolist(), probabilities.max(axis=-1).ravel(), size)


def teacher_probabilities(teacher: Teacher, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Returns the teacher's probabilities `[N, K]` for unit images `[N, H, W, C]`."""
    normalised = ops.convert_to_numpy(teacher.normalisation.convert(images, "unit", "normalised"))
    batches = [normalised[start : start + batch_size] for start in range(0, len(images), batch_size)]
    return np.concatenate([ops.convert_to_numpy(ops.softmax(teacher(batch).logits)) for batch in batches])


def effective_sample_size(replay: ReplayBuffer) -> float:
    """Returns 1 / sum_i P_i^2 for the probabilities of a memory with priorities."""
    sampling: PrioritySampling = replay.sampling
    probabilities = ops.convert_to_numpy(sampling.probabilities(replay.priorities.value, replay.size.value))
    return float(1.0 / np.sum(np.square(probabilities, dtype=np.float64)))
