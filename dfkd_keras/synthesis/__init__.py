"""How synthetic images are made."""

from dfkd_keras.synthesis.generator import GeneratorSynthesizer

__all__ = ["GeneratorSynthesizer"]
