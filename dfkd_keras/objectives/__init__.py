"""What a good synthetic batch is: one small class per published term, and how terms combine."""

from dfkd_keras.objectives.activation import Activation
from dfkd_keras.objectives.adversarial import AdversarialDiscrepancy
from dfkd_keras.objectives.batch_norm import BatchNormStatistics
from dfkd_keras.objectives.classification import (
    ClassEntropy,
    OneHotCrossEntropy,
    SoftTargetCrossEntropy,
    TargetCrossEntropy,
)
from dfkd_keras.objectives.contrastive import ContrastiveDiversity
from dfkd_keras.objectives.diversity import LatentModeSeeking, SoftmaxDistanceDiversity
from dfkd_keras.objectives.exponential_penalty import ExponentialPenalty
from dfkd_keras.objectives.image_prior import ImageNorm, TotalVariation
from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.objectives.objective import Objective, WeightedSum
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term, TermWrapper
from dfkd_keras.objectives.wrappers import AfterRounds, Modulated, Scaled

__all__ = [
    "Activation",
    "AdversarialDiscrepancy",
    "AfterRounds",
    "BatchNormStatistics",
    "ClassEntropy",
    "ContrastiveDiversity",
    "ExponentialPenalty",
    "ImageNorm",
    "LatentModeSeeking",
    "Modulated",
    "Modulation",
    "Objective",
    "OneHotCrossEntropy",
    "Scaled",
    "SoftTargetCrossEntropy",
    "SoftmaxDistanceDiversity",
    "SyntheticBatch",
    "TargetCrossEntropy",
    "Term",
    "TermWrapper",
    "TotalVariation",
    "WeightedSum",
]
