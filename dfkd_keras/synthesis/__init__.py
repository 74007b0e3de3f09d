"""How synthetic images are made."""

from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.latent_inversion import LatentInversion
from dfkd_keras.synthesis.meta import ContinuedLearning, FirstOrderMAML, Reptile

__all__ = ["ContinuedLearning", "FirstOrderMAML", "GeneratorSynthesizer", "LatentInversion", "Reptile"]
