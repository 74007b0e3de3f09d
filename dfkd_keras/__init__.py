"""Data-free knowledge distillation for Keras 3."""

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.images import Normalisation
from dfkd_keras.losses import SoftTargets
from dfkd_keras.objectives import (
    ClassEntropy,
    ExponentialPenalty,
    OneHotCrossEntropy,
    SoftmaxDistanceDiversity,
    SyntheticBatch,
    Term,
    WeightedSum,
)
from dfkd_keras.replay import FreshSamples
from dfkd_keras.schedule import Alternating, TwoStage
from dfkd_keras.synthesis import GeneratorSynthesizer
from dfkd_keras.teacher import Teacher

__all__ = [
    "Alternating",
    "ClassEntropy",
    "DataFreeDistiller",
    "ExponentialPenalty",
    "FreshSamples",
    "GeneratorSynthesizer",
    "Normalisation",
    "OneHotCrossEntropy",
    "SoftTargets",
    "SoftmaxDistanceDiversity",
    "SyntheticBatch",
    "Teacher",
    "Term",
    "TwoStage",
    "WeightedSum",
]
