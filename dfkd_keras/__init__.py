"""Data-free knowledge distillation for Keras 3."""

from dfkd_keras import augmentation, data, losses, models, objectives, optimizers, replay, schedules, synthesis
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.images import Normalization
from dfkd_keras.teacher import Teacher, inspect_teacher

__all__ = [
    "DataFreeDistiller",
    "Normalization",
    "Teacher",
    "augmentation",
    "data",
    "inspect_teacher",
    "losses",
    "models",
    "objectives",
    "optimizers",
    "replay",
    "schedules",
    "synthesis",
]
