"""What the terms of an objective look at."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather, replicas
from dfkd_keras.teacher.batch_statistics import BatchStatistics

OF_THE_WHOLE = ("batch_statistics", "class_counts", "round")  # all else has a row for each image


class SyntheticBatch(NamedTuple):
    """A batch of synthetic images and what the networks make of it.

    Attributes:
        images: float32 `[B, H, W, C]` in normalized space.
        latents: float32 `[B, Z]` that the images were made from.
        teacher_logits: float32 `[B, K]` or `[B, H, W, K]`.
        teacher_features: the teacher's named features, if a term needs "features".
        batch_statistics: of every BatchNorm layer of the teacher, if a term needs "batch_statistics".
        sample_means: `[B, F]`, the spatial means of all channels that enter the teacher's BatchNorm layers, if a term
            needs "sample_means".
        second_sample_means: the same of a second view of the images, if a term needs "second_view".
        student_logits: like the teacher's, if a term needs "student".
        labels: integers `[B]`, the classes the images are meant to be of; None for a segmenter, whose images have many.
        soft_labels: float32 `[B, K]`, the predictions that are wanted of the teacher, if the synthesizer draws such.
        class_counts: integers `[K]`, how many images (of a segmenter: pixels) of each class the memory holds, if a term
            needs "class_counts".
        round: how many rounds of synthesis are complete, a scalar.
    """

    images: Any
    latents: Any
    teacher_logits: Any
    teacher_features: dict[str, Any] | None = None
    batch_statistics: list[BatchStatistics] | None = None
    sample_means: Any = None
    second_sample_means: Any = None
    student_logits: Any = None
    labels: Any = None
    soft_labels: Any = None
    class_counts: Any = None
    round: Any = 0


def gather_batch(part: SyntheticBatch) -> SyntheticBatch:
    """Returns the batch of all replicas for the part of it that one of them has."""
    if replicas() == 1:
        return part
    rows = {name: value for name, value in part._asdict().items() if name not in OF_THE_WHOLE}
    statistics = part.batch_statistics and _whole_statistics(part.batch_statistics)
    return part._replace(**keras.tree.map_structure(gather, rows), batch_statistics=statistics)


def _whole_statistics(parts: list[BatchStatistics]) -> list[BatchStatistics]:
    """Returns the statistics of all layers, which pass between the replicas as one row."""
    rows = gather(ops.concatenate([value for seen in parts for value in (seen.mean, seen.variance)])[None])
    ends = np.cumsum([seen.mean.shape[0] for seen in parts for _ in range(2)])
    columns = iter(ops.split(rows, ends[:-1].tolist(), axis=1))
    return [_of_layer(seen, next(columns), next(columns)) for seen in parts]


def _of_layer(part: BatchStatistics, means: Any, variances: Any) -> BatchStatistics:
    mean = ops.mean(means, axis=0)
    variance = ops.mean(variances, axis=0) + ops.mean(ops.square(means - mean), axis=0)
    return part._replace(mean=mean, variance=variance)
