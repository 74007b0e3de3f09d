"""What the terms of an objective look at."""

import dataclasses
from typing import Any

from dfkd_keras.teacher import BatchStatistics


@dataclasses.dataclass
class SyntheticBatch:
    """A batch of synthetic images and what the networks make of it.

    Attributes:
        images: float32 `[B, H, W, C]` in normalised space.
        latents: float32 `[B, Z]` that the images were made from.
        teacher_logits: float32 `[B, K]` or `[B, H, W, K]`.
        teacher_features: the teacher's named features, if a term needs "features".
        batch_statistics: of every BatchNorm layer of the teacher, if a term needs "batch_statistics".
        student_logits: like the teacher's, if a term needs "student".
    """

    images: Any
    latents: Any
    teacher_logits: Any
    teacher_features: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_statistics: list[BatchStatistics] = dataclasses.field(default_factory=list)
    student_logits: Any = None
