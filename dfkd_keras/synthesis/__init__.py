"""How synthetic images are made."""

from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.latent_inversion import LatentInversion
from dfkd_keras.synthesis.meta import FirstOrderMAML, Reptile, Sequential

__all__ = ["FirstOrderMAML", "GeneratorSynthesizer", "LatentInversion", "Reptile", "Sequential"]
