"""How good a student is, and how good synthetic images are."""

from dfkd_keras.metrics.image_quality import diversity, frechet_distance, image_quality, inception_score
from dfkd_keras.metrics.scores import (
    IGNORED,
    METRICS,
    PixelAccuracy,
    agreement,
    check_evaluated,
    check_labels,
    check_validation_data,
    class_ious,
    evaluation_batch_size,
    predicted_classes,
    scores,
    valid_mask,
    validation_metrics,
)

__all__ = [
    "IGNORED",
    "METRICS",
    "PixelAccuracy",
    "agreement",
    "check_evaluated",
    "check_labels",
    "check_validation_data",
    "class_ious",
    "diversity",
    "evaluation_batch_size",
    "frechet_distance",
    "image_quality",
    "inception_score",
    "predicted_classes",
    "scores",
    "valid_mask",
    "validation_metrics",
]
