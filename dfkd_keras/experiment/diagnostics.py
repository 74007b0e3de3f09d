"""What the images look like that the student learns from: classes, the teacher's confidence, priorities."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.replay import PrioritySampling, ReplayBuffer


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
    probabilities, classes = teacher_probabilities(distiller, distiller.replay.show(images, distiller))
    if distiller.replay.keeps_images:
        counts = ops.convert_to_numpy(distiller.replay.class_counts.value)
    else:
        counts = np.bincount(classes.ravel(), minlength=distiller.teacher.classes)
    size = effective_sample_size(distiller.replay) if distiller.replay.names else None
    return Diagnostics(counts.tolist(), probabilities.max(axis=-1).ravel(), size)


def teacher_probabilities(
    distiller: DataFreeDistiller, images: np.ndarray, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the teacher's probabilities `[N, K]` and classes `[N]` for unit images `[N, H, W, C]`."""
    teacher = distiller.teacher
    inputs = ops.convert_to_numpy(teacher.to_inputs(images, "unit"))
    outputs = teacher.model.predict(inputs, batch_size=batch_size, verbose=0).astype(np.float32)
    if teacher.outputs == "logits":
        outputs = ops.convert_to_numpy(keras.activations.softmax(ops.convert_to_tensor(outputs)))
    return outputs, outputs.argmax(axis=-1)


def effective_sample_size(replay: ReplayBuffer) -> float:
    """Returns 1 / sum_i P_i^2 for the probabilities of a memory with priorities."""
    sampling: PrioritySampling = replay.sampling
    probabilities = ops.convert_to_numpy(sampling.probabilities(replay.priorities.value, replay.size.value))
    return float(1.0 / np.sum(np.square(probabilities, dtype=np.float64)))
