"""What a good synthetic batch is: one small class per published term, and how terms combine."""

from dfkd_keras.objectives.adversarial import AdversarialDiscrepancy
from dfkd_keras.objectives.batch import SyntheticBatch
from dfkd_keras.objectives.batch_norm import BatchNormStatistics
from dfkd_keras.objectives.classification import ClassEntropy, OneHotCrossEntropy, TargetCrossEntropy
from dfkd_keras.objectives.combining import ExponentialPenalty, Objective, WeightedSum
from dfkd_keras.objectives.diversity import SoftmaxDistanceDiversity
from dfkd_keras.objectives.modulation import AfterRounds, Modulated, Modulation
from dfkd_keras.objectives.term import Term

__all__ = [
    "AdversarialDiscrepancy",
    "AfterRounds",
    "BatchNormStatistics",
    "ClassEntropy",
    "ExponentialPenalty",
    "Modulated",
    "Modulation",
    "Objective",
    "OneHotCrossEntropy",
    "SoftmaxDistanceDiversity",
    "SyntheticBatch",
    "TargetCrossEntropy",
    "Term",
    "WeightedSum",
]
