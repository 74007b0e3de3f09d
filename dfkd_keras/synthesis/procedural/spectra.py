"""Random fields whose amplitudes fall with frequency, as those of natural images do."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural.color import field_images, mix_channels, mixing_shapes
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes
from dfkd_keras.synthesis.procedural.noise_pyramids import separable
from dfkd_keras.utils.checks import check_counts

EXPONENTS = (0.5, 3.0)  # natural images: about 1


@dataclasses.dataclass(frozen=True)
class Spectra(ImageFamily):
    """Gaussian random fields of amplitude 1 / f^a, with a random exponent a from 0.5 to 3.

    A field is a sum of cosines and sines of all frequencies with random coefficients, as the inverse Fourier transform
    of random phases is. It is computed as a product of matrices, so that any size of image and both backends do alike.

    Args:
        max_frequency: Integer. The highest frequency along each axis in cycles per image, which bounds how many random
            numbers an image takes: about 4 times its square, times the channels. Defaults to 16.

    Raises:
        InvalidInputError: If `max_frequency` is below 1.
    """

    max_frequency: int = 16

    def __post_init__(self):
        check_counts("Spectra", max_frequency=self.max_frequency)

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the exponent, mixing and coefficients; see `ImageFamily`."""
        height, width, channels = image_shape
        coefficients = (channels, len(self._frequencies(height)), len(self._frequencies(width)))
        return {"exponent": (1,)} | mixing_shapes(channels) | {"coefficients": coefficients}

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images `[B, H, W, C]`; see `ImageFamily.draw`."""
        height, width, channels = image_shape
        vertical, horizontal = self._frequencies(height), self._frequencies(width)
        lowest, highest = EXPONENTS
        exponent = lowest + (highest - lowest) * normal_to_uniform(latents["exponent"])
        amplitude = self._amplitude(vertical / height, horizontal / width, exponent)
        coefficients = mix_channels(latents["coefficients"], *(latents[name] for name in mixing_shapes(channels)))
        return field_images(separable(waves(height, vertical), coefficients * amplitude, waves(width, horizontal)))

    def _frequencies(self, size: int) -> np.ndarray:
        """Returns the frequency of each wave along an axis, in cycles per image: 0, 1, 1, 2, 2, ..."""
        highest = min(self.max_frequency, (size - 1) // 2)
        return np.arange(1, 2 * highest + 2) // 2

    def _amplitude(self, vertical: np.ndarray, horizontal: np.ndarray, exponent: Any) -> Any:
        """Returns f^-a `[B, 1, M, N]` for frequencies in cycles per pixel, scaled to a sum of squares of 1."""
        squared = vertical[:, None] ** 2 + horizontal**2
        squared[0, 0] = np.inf  # the mean, which has no power
        power = ops.exp(-exponent[:, :, None, None] * np.log(squared).astype("float32"))
        return ops.sqrt(power / ops.sum(power, axis=(-2, -1), keepdims=True))


def waves(size: int, frequencies: np.ndarray) -> np.ndarray:
    """Returns waves of the frequencies in cycles per image, sines and cosines in turn, as columns `[size, M]`.

    The squares of a sine and a cosine of one frequency sum to 2, so that each wave has a mean square of 1.
    """
    positions = (np.arange(size)[:, None] + 0.5) / size
    phases = 2 * np.pi * frequencies * positions
    columns = np.where(np.arange(len(frequencies)) % 2, np.sin(phases), np.cos(phases))
    return np.float32(np.where(frequencies, np.sqrt(2.0), 1.0) * columns)
