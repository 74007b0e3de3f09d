"""How synthetic images are made."""

from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.latent_inversion import LatentInversion
from dfkd_keras.synthesis.meta_learning import ContinuedLearning, FirstOrderMAML, FreshStart, Reptile
from dfkd_keras.synthesis.pixel_inversion import PixelInversion
from dfkd_keras.synthesis.real_images import RealImages
from dfkd_keras.synthesis.targets import BalancedClasses, DirichletTargets, RandomClasses

__all__ = [
    "BalancedClasses",
    "ContinuedLearning",
    "DirichletTargets",
    "FirstOrderMAML",
    "FreshStart",
    "GeneratorSynthesizer",
    "LatentInversion",
    "PixelInversion",
    "RandomClasses",
    "RealImages",
    "Reptile",
]
