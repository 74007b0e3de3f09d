import numpy as np
import pytest

from dfkd_keras.models.slim.regression import correction


@pytest.mark.parametrize("inputs", [5, 200])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_linear_lack_is_found(rng, inputs, has_bias):
    rank = rng.normal(size=(5, inputs))
    x = rng.normal(size=(100, 5)) @ rank + (1.0 if has_bias else 0.0)
    missing = x @ rng.normal(size=(inputs, 3)) + (2.0 if has_bias else 0.0)
    weights, bias = correction(x, missing, missing, has_bias)
    np.testing.assert_allclose(x @ weights + bias, missing, atol=1e-3 * np.abs(missing).max())
    assert has_bias or not bias.any()


def test_a_correction_that_only_fits_by_chance_is_not_made():
    x = np.concatenate([np.eye(8), np.eye(8)[:2]])
    missing = np.concatenate([np.ones((8, 1)), -np.ones((2, 1))])  # the rows held out say the opposite
    assert correction(x, missing, missing, has_bias=False) is None


def test_weights_that_are_right_stay_as_they_are(rng):
    x = rng.normal(size=(50, 4))
    assert correction(x, np.full((50, 2), 1e-9), rng.normal(size=(50, 2)), has_bias=True) is None
