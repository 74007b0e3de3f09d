"""TensorFlow and JAX draw the same images."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from tests.commandline import ROOT, environment

SHAPE = (12, 17, 3)
ON_JAX = """
import sys
import jax
import numpy as np
from tests.synthesis.procedural.test_backends import prepared

synthesizer, teacher = prepared()
sample = jax.jit(lambda latents: synthesizer.sample(latents, teacher))
np.save(sys.argv[2], sample(np.load(sys.argv[1])))
assert "tensorflow" not in sys.modules
"""


def prepared():
    teacher = dk.Teacher(keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(2)]))
    synthesizer = dk.synthesis.ProceduralImages()
    synthesizer.prepare(teacher, 8)
    return synthesizer, teacher


def test_jax_compiles_the_same_images(tmp_path, rng):
    pytest.importorskip("jax")
    synthesizer, teacher = prepared()
    latents = rng.normal(size=(8, synthesizer.latent_dim)).astype("float32")
    np.save(tmp_path / "latents.npy", latents)
    files = str(tmp_path / "latents.npy"), str(tmp_path / "images.npy")
    env = environment(KERAS_BACKEND="jax", PYTHONPATH=ROOT)
    process = subprocess.run(
        [sys.executable, "-c", ON_JAX, *files], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    images = synthesizer.sample(ops.convert_to_tensor(latents), teacher)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), images, atol=1e-3)
