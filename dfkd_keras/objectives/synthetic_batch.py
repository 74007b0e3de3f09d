"""The batch that the terms of an objective are computed on."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather, replicas
from dfkd_keras.teacher.batch_statistics import BatchStatistics

NOT_PER_IMAGE = ("batch_statistics", "class_counts", "round")  # all else has a row for each image


class SyntheticBatch(NamedTuple):
    """A batch of synthetic images and the networks' outputs for them.

    Attributes that no term needs are None.

    Attributes:
        images: Float32 tensor `[B, H, W, C]`. Unit images.
        latents: Float32 tensor `[B, Z]` that the images were made from, or None if they were not made from latents.
        teacher_logits: Float32 tensor `[B, K]`, or `[B, H, W, K]` for a segmenter.
        teacher_features: Dictionary of the teacher's features by name, if a term needs "features".
        batch_statistics: List of one `BatchStatistics` per BatchNorm layer of the teacher, if a term needs
            "batch_statistics".
        sample_means: Float32 tensor `[B, F]`, the spatial means of all channels of the inputs of the teacher's
            BatchNorm layers, if a term needs "sample_means".
        second_sample_means: Float32 tensor `[B, F]`, the same for a second view of the images, if a term needs
            "second_view".
        student_logits: Float32 tensor of the shape of `teacher_logits`, if a term needs "student".
        labels: Integer tensor `[B]` of the classes that the images are made for, if the synthesizer draws them; None
            for a segmenter, whose images have many classes.
        soft_labels: Float32 tensor `[B, K]` of the predictions that are wanted from the teacher, if the synthesizer
            draws them.
        class_counts: Integer tensor `[K]` of how many images (of a segmenter: pixels) of each class the replay buffer
            holds, if a term needs "class_counts".
        round: Integer scalar. Number of completed rounds of synthesis.
        normalized_images: Float32 tensor `[B, H, W, C]` of the images in normalized space, if a term needs
            "normalized_images".

    Example:
        >>> images, logits = np.zeros((4, 32, 32, 1), "float32"), np.zeros((4, 10), "float32")
        >>> batch = dk.objectives.SyntheticBatch(images, latents=None, teacher_logits=logits)
        >>> dk.objectives.ClassEntropy()(batch)
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
    normalized_images: Any = None


def gather_batch(shard: SyntheticBatch) -> SyntheticBatch:
    """Returns the batch of all replicas from the shard of one of them."""
    if replicas() == 1:
        return shard
    rows = {name: value for name, value in shard._asdict().items() if name not in NOT_PER_IMAGE}
    statistics = shard.batch_statistics and _gathered_statistics(shard.batch_statistics)
    return shard._replace(**keras.tree.map_structure(gather, rows), batch_statistics=statistics)


def _gathered_statistics(layers: list[BatchStatistics]) -> list[BatchStatistics]:
    """Returns the statistics over all replicas, which exchange those of all layers as one row."""
    rows = gather(ops.concatenate([value for layer in layers for value in (layer.mean, layer.variance)])[None])
    ends = np.cumsum([layer.mean.shape[0] for layer in layers for _ in range(2)])
    columns = iter(ops.split(rows, ends[:-1].tolist(), axis=1))
    return [_of_layer(layer, next(columns), next(columns)) for layer in layers]


def _of_layer(layer: BatchStatistics, means: Any, variances: Any) -> BatchStatistics:
    mean = ops.mean(means, axis=0)
    variance = ops.mean(variances, axis=0) + ops.mean(ops.square(means - mean), axis=0)
    return layer._replace(mean=mean, variance=variance)
