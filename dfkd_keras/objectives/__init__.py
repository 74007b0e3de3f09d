"""What a good synthetic batch is: one small class per published term, and how terms combine."""

from dfkd_keras.objectives.batch import SyntheticBatch
from dfkd_keras.objectives.classification import ClassEntropy, OneHotCrossEntropy
from dfkd_keras.objectives.combining import ExponentialPenalty, Objective, WeightedSum
from dfkd_keras.objectives.diversity import SoftmaxDistanceDiversity
from dfkd_keras.objectives.term import Term

__all__ = [
    "ClassEntropy",
    "ExponentialPenalty",
    "Objective",
    "OneHotCrossEntropy",
    "SoftmaxDistanceDiversity",
    "SyntheticBatch",
    "Term",
    "WeightedSum",
]
