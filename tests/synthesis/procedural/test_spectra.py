from statistics import NormalDist

import numpy as np
import pytest

from dfkd_keras.synthesis import Spectra
from tests.synthesis.procedural.parts import HIGH, LOW, latents


def fields(family, shape, exponent, rng, count=128):
    """Returns the random fields behind images of one channel, by the inverse of the normal distribution."""
    shapes = family.latent_shapes(shape)
    coefficients = rng.normal(size=(count, *shapes["coefficients"]))
    images = family.draw(shape, **latents(shapes, count, exponent=exponent, common=1.0, coefficients=coefficients))
    return np.vectorize(NormalDist().inv_cdf)(np.clip(np.float64(images[..., 0]), 1e-6, 1 - 1e-6))


@pytest.mark.parametrize(("exponent", "slope"), [(LOW, 0.5), (0.0, 1.75), (HIGH, 3.0)])
def test_amplitudes_fall_with_frequency_by_the_exponent(exponent, slope, rng):
    height, width = 30, 20
    power = np.mean(np.abs(np.fft.fft2(fields(Spectra(8), (height, width, 1), exponent, rng))) ** 2, axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))
    used = (np.abs(np.fft.fftfreq(height) * height)[:, None] < 4) & (np.abs(np.fft.fftfreq(width) * width) < 4)
    used[0, 0] = False
    fitted, _ = np.polyfit(np.log(frequency[used]), 0.5 * np.log(power[used]), 1)
    assert -fitted == pytest.approx(slope, abs=0.15)


def test_fields_have_variance_1_and_nothing_above_the_highest_frequency(rng):
    drawn = fields(Spectra(4), (32, 32, 1), LOW, rng)
    assert drawn.std() == pytest.approx(1.0, abs=0.02)
    power = np.abs(np.fft.fft2(drawn)) ** 2
    assert power[:, 5:-4].max() < 1e-3 * power.max()
    assert power[:, :, 5:-4].max() < 1e-3 * power.max()


def test_colors_run_from_gray_to_independent_channels(rng):
    shape, family = (16, 16, 3), Spectra()
    shapes = family.latent_shapes(shape)
    values = {name: rng.normal(size=(64, *each)) for name, each in shapes.items()}
    gray = np.array(family.draw(shape, **latents(shapes, 64, **values | {"variety": LOW})))
    colorful = np.array(family.draw(shape, **latents(shapes, 64, **values | {"variety": HIGH})))
    np.testing.assert_allclose(gray[..., 0], gray[..., 1], atol=1e-5)
    between = [np.corrcoef(image[..., 0].ravel(), image[..., 1].ravel())[0, 1] for image in colorful]
    assert 0 < np.mean(between) < 0.7


def test_frequencies_are_counted_in_whole_numbers():
    with pytest.raises(ValueError, match=r"Spectra\.max_frequency=0 must be a whole number of at least 1"):
        Spectra(0)
