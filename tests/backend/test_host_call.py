"""Functions of NumPy within steps: the same values compiled or not, no gradient, errors as they are."""

import subprocess
import sys

import numpy as np
import pytest

from dfkd_keras.backend.host_call import host_call, host_errors
from tests.commandline import ROOT, environment

ON_JAX = """
import jax
import numpy as np

from dfkd_keras.backend.host_call import host_call, host_errors

def sums(images):
    assert isinstance(images, np.ndarray) and images.dtype == np.float32
    return np.stack([images.sum(axis=(1, 2)), 2 * images.sum(axis=(1, 2))], axis=-1)

images = np.random.default_rng(0).uniform(size=(3, 4, 5)).astype("float32")
for call in (lambda x: host_call(sums, x, (2,)), jax.jit(lambda x: host_call(sums, x, (2,)))):
    np.testing.assert_allclose(call(images), sums(images), atol=1e-6)
gradient = jax.jit(jax.grad(lambda x: (host_call(sums, x, (2,)) * x.mean()).sum()))(images)
np.testing.assert_allclose(gradient, np.full_like(images, 3 * images.mean()), rtol=1e-5)

def refuse(images):
    raise KeyError("mine")

try:
    with host_errors():
        jax.jit(lambda x: host_call(refuse, x, (2,)))(images).block_until_ready()
except KeyError as error:
    assert error.args == ("mine",)
else:
    raise AssertionError("no error")
"""


def sums(images):
    assert isinstance(images, np.ndarray) and images.dtype == np.float32
    return np.stack([images.sum(axis=(1, 2)), 2 * images.sum(axis=(1, 2))], axis=-1)


@pytest.fixture
def images(rng):
    return rng.uniform(size=(3, 4, 5)).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("compiled", [False, True])
def test_values_are_the_functions(images, dtype, compiled):
    tf = pytest.importorskip("tensorflow")
    images = (9 * images).astype(dtype)

    def call(x):
        return host_call(sums, x, (2,))

    function = tf.function(call, input_signature=[tf.TensorSpec((None, 4, 5), dtype)]) if compiled else call
    for batch in (images, images[:1]):
        np.testing.assert_allclose(function(tf.constant(batch)), sums(batch.astype("float32")), rtol=1e-6)


def test_the_shape_is_known_in_a_compiled_step(images):
    tf = pytest.importorskip("tensorflow")
    traced = tf.function(lambda x: host_call(sums, x, (2,))).get_concrete_function(tf.TensorSpec((None, 4, 5)))
    assert traced.output_shapes.as_list() == [None, 2]


def test_no_gradient_passes(images):
    tf = pytest.importorskip("tensorflow")
    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(host_call(sums, x, (2,)))
    assert tape.gradient(y, x) is None


def refuse(images):
    raise KeyError("mine")


def test_errors_outside_a_compiled_step_are_raised_as_they_are(images):
    with pytest.raises(KeyError, match="mine"):
        host_call(refuse, images, (2,))


def test_errors_within_a_compiled_step_are_raised_as_they_are_where_asked_for(images):
    tf = pytest.importorskip("tensorflow")
    step = tf.function(lambda x: host_call(refuse, x, (2,)))
    with pytest.raises(tf.errors.OpError):
        step(images)
    with pytest.raises(KeyError, match="mine"), host_errors():
        step(images)
    with pytest.raises(ValueError, match="other"), host_errors():
        raise ValueError("other")
    with host_errors():
        assert tf.function(lambda x: host_call(sums, x, (2,)))(images).shape == (3, 2)


def test_jax_calls_the_function_too():
    pytest.importorskip("jax")
    process = subprocess.run(
        [sys.executable, "-c", ON_JAX], cwd=ROOT, env=environment(KERAS_BACKEND="jax"), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
