"""TensorFlow and JAX are one: the same losses from the same weights and noise, and on JAX two devices are one too."""

import json
import subprocess
import sys

import gin
import keras
import pytest

from tests.commandline import ROOT, environment
from tests.first_step import first_losses

pytest.importorskip("jax")
pytest.importorskip("tensorflow")

METHODS = ("rdskd", "dafl", "mskd", "dfad", "zskt", "dfq", "zskd", "deepinversion", "adaptive_deepinversion", "cmi")
METHODS += ("fast", "fast_meta", "nayer", "ssdkd")
TWO_DEVICES = """
import sys
import gin
import jax
import numpy as np
from dfkd_keras.backend import distribution
from dfkd_keras.data import Split
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.training.validation import validation
from tests.steady import steady

def trained(strategy):
    gin.clear_config()
    configure([sys.argv[1], "smoke.gin"], ["TeacherRecipe.trained = False", *steady(sys.argv[1])])
    with distribution.scope(strategy):
        experiment = gin.get_configurable("Experiment")()
        distiller = experiment.build()
        uneven = Split(*(rows[:9] for rows in experiment.task.test_split()))
        losses = distiller.fit(**validation(uneven, distiller.teacher), verbose=0).history
        return distiller.student.variables, losses

with distribution.scope("mirrored"):
    halves = jax.jit(lambda: distribution.local_shard(jax.numpy.ones((8, 3))))()
    assert halves.sharding.shard_shape(halves.shape) == (4, 3)
(one, losses), (two, losses_of_two) = trained("none"), trained("mirrored")
assert len(two[0].value.sharding.device_set) == 2
for first, second in zip(one, two):
    np.testing.assert_allclose(first, second, atol=1e-3)
for name in losses:
    np.testing.assert_allclose(losses[name], losses_of_two[name], rtol=1e-3, atol=1e-5)
assert "tensorflow" not in sys.modules
"""


def marked(*defaults):
    return [pytest.param(method, marks=[] if method in defaults else [pytest.mark.slow]) for method in METHODS]


def run(folder, backend, *arguments, **variables):
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(KERAS_BACKEND=backend, PYTHONPATH=ROOT, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("method", marked("rdskd"))
def test_the_first_losses_are_those_of_the_other_backend(tmp_path, method):
    first = first_losses(f"{method}.gin", tmp_path)
    gin.clear_config()
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    printed = run(tmp_path, other, "-m", "tests.first_step", tmp_path, f"{method}.gin")
    second = json.loads(printed.splitlines()[-1])["losses"]
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert second[name] == pytest.approx(value, rel=1e-4, abs=1e-6), (name, first, second)


@pytest.mark.parametrize("method", marked())
def test_two_devices_of_jax_learn_what_one_does(tmp_path, method):
    run(tmp_path, "jax", "-c", TWO_DEVICES, f"{method}.gin", XLA_FLAGS="--xla_force_host_platform_device_count=2")
