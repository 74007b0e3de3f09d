"""Optimizers and learning rates beyond Keras' own."""

from dfkd_keras.optimizers.coupled_sgd import CoupledSGD
from dfkd_keras.optimizers.muon import Muon
from dfkd_keras.optimizers.rates import CosineDecayOverTraining

__all__ = ["CosineDecayOverTraining", "CoupledSGD", "Muon"]
