import keras
import numpy as np
import pytest

import dfkd_keras as dk

NORMALIZATION = dk.Normalization((0.4, 0.5, 0.6), (0.1, 0.2, 0.4))


def test_normalized_is_unit_minus_mean_over_std(rng):
    unit = rng.uniform(size=(2, 4, 4, 3)).astype("float32")
    expected = (unit - [0.4, 0.5, 0.6]) / [0.1, 0.2, 0.4]
    np.testing.assert_allclose(NORMALIZATION.convert(unit, "unit", "normalized"), expected, atol=1e-5)


def test_stored_bytes_are_normalized_as_their_unit_images_are(rng):
    stored = rng.integers(256, size=(2, 4, 4, 3), dtype=np.uint8)
    expected = NORMALIZATION.convert(stored / np.float32(255.0), "unit", "normalized")
    np.testing.assert_allclose(NORMALIZATION.from_bytes(stored), expected, atol=1e-5)


def test_one_statistic_serves_all_channels_and_every_width(rng):
    unit = rng.uniform(size=(2, 4, 6, 3)).astype("float32")
    np.testing.assert_allclose(
        dk.Normalization((0.4,), (0.1,)).convert(unit, "unit", "normalized"), (unit - 0.4) / 0.1, rtol=1e-4
    )
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, NORMALIZATION.convert(inputs, "unit", "normalized"))
    np.testing.assert_allclose(model(unit), NORMALIZATION.convert(unit, "unit", "normalized"), atol=1e-5)


def test_conversion_there_and_back_is_the_identity(rng):
    images = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    there = NORMALIZATION.convert(images, "normalized", "unit")
    np.testing.assert_allclose(NORMALIZATION.convert(there, "unit", "normalized"), images, atol=1e-5)


def test_images_in_the_wanted_space_are_returned_as_they_are(rng):
    images = rng.normal(size=(2, 4, 4, 3))
    assert NORMALIZATION.convert(images, "unit", "unit") is images


def test_an_unknown_space_is_refused():
    with pytest.raises(ValueError, match="'raw' is unknown"):
        NORMALIZATION.convert(np.zeros(3), "raw", "unit")


@pytest.mark.parametrize(
    ("mean", "std", "message"), [((0.5,), (0.0,), "must be positive"), ((0.5,), (0.1, 0.2), "one value per channel")]
)
def test_impossible_statistics_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        dk.Normalization(mean, std)
