"""Data-free knowledge distillation for Keras 3."""

from dfkd_keras.augmentation import RandomCropFlip
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.images import Normalisation
from dfkd_keras.inspection import inspect_teacher
from dfkd_keras.losses import SoftTargets
from dfkd_keras.objectives import (
    AdversarialDiscrepancy,
    AfterRounds,
    BatchNormStatistics,
    ClassEntropy,
    ExponentialPenalty,
    Modulated,
    Modulation,
    OneHotCrossEntropy,
    SoftmaxDistanceDiversity,
    SyntheticBatch,
    TargetCrossEntropy,
    Term,
    WeightedSum,
)
from dfkd_keras.replay import FreshSamples, PrioritySampling, ReplayBuffer, UniformSampling
from dfkd_keras.rounds import Rounds
from dfkd_keras.schedule import Alternating, TwoStage
from dfkd_keras.synthesis import FirstOrderMAML, GeneratorSynthesizer, LatentInversion, Reptile
from dfkd_keras.teacher import Teacher

__all__ = [
    "AdversarialDiscrepancy",
    "AfterRounds",
    "Alternating",
    "BatchNormStatistics",
    "ClassEntropy",
    "DataFreeDistiller",
    "ExponentialPenalty",
    "FirstOrderMAML",
    "FreshSamples",
    "GeneratorSynthesizer",
    "LatentInversion",
    "Modulated",
    "Modulation",
    "Normalisation",
    "OneHotCrossEntropy",
    "PrioritySampling",
    "RandomCropFlip",
    "ReplayBuffer",
    "Reptile",
    "Rounds",
    "SoftTargets",
    "SoftmaxDistanceDiversity",
    "SyntheticBatch",
    "TargetCrossEntropy",
    "Teacher",
    "Term",
    "TwoStage",
    "UniformSampling",
    "WeightedSum",
    "inspect_teacher",
]
