import math
from statistics import NormalDist

import numpy as np
import pytest
from keras import ops

from dfkd_keras.synthesis.procedural.mixture import BLEND_SHAPES, TONE_SHAPES, blend, change_tones
from tests.synthesis.procedural.parts import HIGH, LOW, latents

NEUTRAL_CONTRAST = NormalDist().inv_cdf(math.log(1 / 0.6, 4))  # 0.6 * 4^u = 1


@pytest.fixture
def images(rng):
    return rng.random((8, 16, 16, 3)).astype("float32")


def blended(images, **values):
    return np.array(blend(ops.convert_to_tensor(images), **latents(BLEND_SHAPES, len(images), **values)))


def toned(images, **values):
    neutral = {"contrast": NEUTRAL_CONTRAST, "inversion": HIGH, "gray": HIGH}
    return np.array(
        change_tones(ops.convert_to_tensor(images), **latents(TONE_SHAPES, len(images), **neutral | values))
    )


def test_a_quarter_is_mixed_with_an_image_some_places_further_on(images):
    expected = 0.25 * images + 0.75 * np.roll(images, 3, axis=0)
    np.testing.assert_allclose(blended(images, kind=HIGH, opacity=HIGH), expected, atol=1e-5)


def test_into_a_quarter_a_rectangle_of_another_is_pasted(images):
    pasted = blended(images, kind=LOW, angle=LOW, lengths=[[HIGH], [LOW]])
    other = np.roll(images, 3, axis=0)
    np.testing.assert_allclose(pasted[:, 6:10], other[:, 6:10], atol=1e-5)  # 0.3 of the height
    np.testing.assert_allclose(pasted[:, :5], images[:, :5], atol=1e-5)


def test_half_of_the_images_stay_alone(rng):
    images = rng.random((2000, 8, 8, 1)).astype("float32")
    mixed = blended(images, **{name: rng.normal(size=(2000, *shape)) for name, shape in BLEND_SHAPES.items()})
    assert (mixed == images).all(axis=(1, 2, 3)).mean() == pytest.approx(0.5, abs=0.05)


def test_tones_may_stay(images):
    np.testing.assert_allclose(toned(images), images, atol=1e-4)


def test_inverted_images_are_the_rest_to_1(images):
    np.testing.assert_allclose(toned(images, inversion=LOW), 1 - images, atol=1e-4)


def test_contrast_is_clipped_before_gamma(images):
    changed = toned(images, contrast=HIGH, brightness=HIGH, gamma=LOW)
    np.testing.assert_allclose(changed, np.sqrt(np.clip((images - 0.5) * 2.4 + 0.7, 0, 1)), atol=1e-5)


def test_some_images_of_several_channels_become_gray(rng):
    images = rng.random((2000, 8, 8, 3)).astype("float32")
    values = {name: rng.normal(size=(2000, *shape)) for name, shape in TONE_SHAPES.items()}
    changed = toned(images, **values)
    assert changed.min() >= 0.0 and changed.max() <= 1.0
    gray = np.ptp(changed, axis=-1).max(axis=(1, 2)) < 1e-6
    assert gray.mean() == pytest.approx(0.15, abs=0.03)
