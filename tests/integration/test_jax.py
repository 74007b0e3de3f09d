"""JAX, on a machine without TensorFlow: importing it is made to fail."""

import json
import os
import subprocess
import sys

import pytest

from tests.commandline import ROOT, environment, script

pytest.importorskip("jax")

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_datasets", "keras_cv"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocker())
"""
RUN = (
    BLOCKED
    + """
import runpy

sys.path.insert(0, sys.argv[1])
files = [f"--gin_file={name}" for name in sys.argv[2:]]
sys.argv = ["train.py", *files, "--gin_file=smoke.gin", "--run_dir=run"]
runpy.run_path(sys.path[0] + "/train.py", run_name="__main__")
"""
)
PREEMPTED = RUN.replace(
    "import runpy",
    """
import os, runpy, signal
from dfkd_keras.experiment.training.recording import Recorder

finish_step = Recorder.on_train_batch_end

def preempted(self, batch, logs=None):
    finish_step(self, batch, logs)
    if self.distiller.position.kind.student and batch == 1:
        os.kill(os.getpid(), signal.SIGTERM)

Recorder.on_train_batch_end = preempted
""",
)
BOTH_SIDES = (
    BLOCKED
    + """
import keras
import numpy as np
import dfkd_keras as dk
from dfkd_keras import models

def network(name):
    parts = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    return keras.Sequential(parts, name=name)

penalized = [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()]
objective = dk.objectives.ExponentialPenalty(penalized, [dk.objectives.SoftmaxDistanceDiversity()])
generator = models.upsampling_generator(5, (8, 8, 1), width=4, filters=(4, 4))
distiller = dk.DataFreeDistiller(
    network("teacher"), network("student"), dk.synthesis.GeneratorSynthesizer(generator, objective),
    schedule=dk.schedules.TwoStage(1, 1), batch_size=4,
)
distiller.compile("adam", synthesis_optimizer="adam")

def copies():
    return [[np.array(v.value) for v in part.variables] for part in (generator, distiller.student)]

def moved(a, b):
    return any(not np.array_equal(x, y) for x, y in zip(a, b))

start = copies()
distiller.fit(epochs=1, steps_per_epoch=2, verbose=0)
middle = copies()
assert objective.references.value[0] != 0
distiller.fit(epochs=2, initial_epoch=1, steps_per_epoch=2, verbose=0)
end = copies()
assert moved(start[0], middle[0]) and not moved(start[1], middle[1])
assert not moved(middle[0], end[0]) and moved(middle[1], end[1])
assert "tensorflow" not in sys.modules
"""
)
WITHOUT_TENSORFLOW = (
    BLOCKED
    + """
from dfkd_keras import data, models

for call in (lambda: data.tfds_dataset("mnist"), models.deeplab_mobilenet_v3):
    try:
        call()
    except ImportError as error:
        print(error)
"""
)


def run(code, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(KERAS_BACKEND="jax", PYTHONPATH=ROOT),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "method",
    [
        "rdskd.gin",
        *(pytest.param(f"{m}.gin", marks=pytest.mark.slow) for m in ("ssdkd", "zskd", "zskt", "cmi")),
    ],
)
def test_the_smoke_run_passes_without_tensorflow(tmp_path, method):
    process = run(RUN, tmp_path, str(ROOT / "scripts"), method)
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["backend"] == "jax"
    assert os.path.exists(tmp_path / "run" / "student.keras")
    assert "needs the TensorFlow backend" in process.stderr


@pytest.mark.slow
def test_a_segmenter_is_distilled_without_tensorflow(tmp_path):
    process = run(RUN, tmp_path, str(ROOT / "scripts"), "ssdkd.gin", "tasks/shapes_deeplab.gin")
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "run" / "results.json").read_text())["metric"] == "mean_iou"


@pytest.mark.slow
def test_what_export_arrays_wrote_is_enough_without_tensorflow(tmp_path):
    exported = script("export_arrays.py", "--gin_file=rdskd.gin", "--gin_file=smoke.gin", "--out_dir=out", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    process = run(RUN, tmp_path, str(ROOT / "scripts"), "rdskd.gin", "out/arrays.gin")
    assert process.returncode == 0, process.stderr


def test_what_needs_tensorflow_says_what_to_do_without(tmp_path):
    process = run(WITHOUT_TENSORFLOW, tmp_path)
    for line, remedy in zip(process.stdout.splitlines(), ("dfkd export-arrays", "use small_deepl"), strict=True):
        assert "cannot be imported" in line and remedy in line, process.stderr


@pytest.mark.slow
def test_every_method_goes_on_to_the_same_bits_on_jax(tmp_path):
    arguments = "-n", "0", "-p", "no:cacheprovider", "-m", "slow or not slow", "tests/methods/test_resume.py"
    process = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment(KERAS_BACKEND="jax"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout


def test_each_stage_moves_its_own_side_on_jax(tmp_path):
    process = run(BOTH_SIDES, tmp_path)
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_a_signal_in_the_middle_of_an_epoch_saves_on_jax_too(tmp_path):
    process = run(PREEMPTED, tmp_path, str(ROOT / "scripts"), "rdskd.gin")
    assert process.returncode == 0, process.stderr
    assert "stopped by SIGTERM after step 8" in process.stderr
    assert (tmp_path / "run" / "checkpoints" / "step-000000008.weights.h5").exists()
