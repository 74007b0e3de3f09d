"""What is kept of the input of a BatchNorm layer."""

import keras
import numpy as np
import pytest
from keras import ops

from dfkd_keras.teacher.batch_statistics import channel_moments


def gradient_of(function, x):
    """The backend's own gradient of a scalar function, outside of any training step."""
    if keras.config.backend() == "jax":
        import jax

        return jax.grad(function)(x)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


@pytest.mark.parametrize(("shape", "channels"), [((5, 4, 3, 2), -1), ((5, 2, 4, 3), 1), ((7, 2), -1)])
def test_moments_and_their_gradient_are_those_of_numpy(rng, shape, channels):
    array = (3.0 + 2.0 * rng.normal(size=shape)).astype("float32")
    of_mean, of_variance = rng.normal(size=(2, 2)).astype("float32")
    x = ops.convert_to_tensor(array)

    def weighed(x):
        mean, variance = channel_moments(x, channels)
        return ops.sum(of_mean * mean + of_variance * variance)

    wide = np.moveaxis(array.astype("float64"), channels, -1)
    axes = tuple(range(len(shape) - 1))
    for seen, expected in zip(channel_moments(x, channels), (wide.mean(axes), wide.var(axes)), strict=True):
        np.testing.assert_allclose(seen, expected, rtol=1e-5)
    expected = (of_mean + 2 * of_variance * (wide - wide.mean(axes))) * 2 / wide.size
    np.testing.assert_allclose(gradient_of(weighed, x), np.moveaxis(expected, -1, channels), atol=1e-6)
