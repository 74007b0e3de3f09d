"""Procedural images: textures, shapes and strokes that cost no gradient and that no network was trained on."""

from dfkd_keras.synthesis.procedural.dead_leaves import DeadLeaves
from dfkd_keras.synthesis.procedural.family import ImageFamily
from dfkd_keras.synthesis.procedural.held_out import held_out_images
from dfkd_keras.synthesis.procedural.noise_pyramids import NoisePyramids
from dfkd_keras.synthesis.procedural.procedural_images import ProceduralImages
from dfkd_keras.synthesis.procedural.spectra import Spectra
from dfkd_keras.synthesis.procedural.strokes import Strokes

__all__ = ["DeadLeaves", "ImageFamily", "NoisePyramids", "ProceduralImages", "Spectra", "Strokes", "held_out_images"]
