"""How synthetic images are made."""

from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.generator_learning import ContinuedLearning, FreshStart, GeneratorLearning
from dfkd_keras.synthesis.latent_inversion import LatentInversion
from dfkd_keras.synthesis.latents import FreeLatents, Latents
from dfkd_keras.synthesis.meta_learning import FirstOrderMAML, MetaLearning, Reptile
from dfkd_keras.synthesis.noisy_layer import NoisyLayer
from dfkd_keras.synthesis.pixel_inversion import PixelInversion
from dfkd_keras.synthesis.procedural import (
    DeadLeaves,
    ImageFamily,
    NoisePyramids,
    ProceduralImages,
    Spectra,
    Strokes,
    held_out_images,
)
from dfkd_keras.synthesis.real_images import RealImages
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.synthesis.targets import BalancedClasses, DirichletTargets, RandomClasses, Targets

__all__ = [
    "BalancedClasses",
    "ContinuedLearning",
    "DeadLeaves",
    "DirichletTargets",
    "FirstOrderMAML",
    "FreeLatents",
    "FreshStart",
    "GeneratorLearning",
    "GeneratorSynthesizer",
    "ImageFamily",
    "LatentInversion",
    "Latents",
    "MetaLearning",
    "NoisePyramids",
    "NoisyLayer",
    "PixelInversion",
    "ProceduralImages",
    "RandomClasses",
    "RealImages",
    "Reptile",
    "Spectra",
    "Strokes",
    "Synthesizer",
    "Targets",
    "held_out_images",
]
