"""The examples of docstrings run, with small networks and files under the names that they use."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

import dfkd_keras as dk

MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.walk_packages(dk.__path__, "dfkd_keras.")
    if not module.name.startswith("dfkd_keras.cli")  # whose flags are defined once for a process
]
ELSEWHERE = {  # what runs the same calls
    "DataFreeDistiller": "guides/fit.py, on a schedule of seconds",
    "GrpcClient": "tests/serving/, with a server",
    "RestClient": "tests/serving/, with a server",
    "distill": "guides/distill_a_file.py, in seconds",
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Checker(doctest.OutputChecker):
    """Compares outputs where an example shows one, numbers but for rounding."""

    def check_output(self, want, got, optionflags):
        try:
            return not want or float(got) == pytest.approx(float(want))
        except ValueError:
            return super().check_output(want, got, optionflags)


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for module in MODULES for test in finder.find(module, module.__name__) if test.examples]
    return [pytest.param(test, id=test.name) for test in found if test.name.rpartition(".")[2] not in ELSEWHERE]


def network(*outputs):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [layers.Input((32, 32, 1)), layers.Conv2D(4, 3, 4), layers.Flatten(), layers.Dense(10), *outputs]
    )


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What examples may use without a definition."""
    images = np.random.default_rng(0).uniform(size=(4, 32, 32, 1)).astype("float32")
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    synthesizer = dk.synthesis.GeneratorSynthesizer(dk.models.upsampling_generator(4, (32, 32, 1), 4), objective)
    return {
        **{name: getattr(dk.replay, name) for name in dk.replay.__all__},
        **{"dk": dk, "keras": keras, "np": np, "ops": ops, "images": images, "unit_images": images},
        **{"model": network(), "teacher": network(), "student": network(), "synthesizer": synthesizer},
        "features": images.reshape(64, 64),
        "teacher_logits": images[:, 0, :10, 0],
        "student_logits": images[:, 1, :10, 0],
        "distiller": dk.DataFreeDistiller(network(), network(), synthesizer),
        "test": dk.data.Split(np.uint8(255 * images), np.arange(4)),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where examples find the files that they read."""
    path = tmp_path_factory.mktemp("examples")
    for name in ("teacher.keras", "old_model.h5"):
        network().save(path / name)
    for kind in ("cat", "dog"):
        (path / "photos" / "test" / kind).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(path / "photos" / "test" / kind / "1.png")
    return path


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="examples export")
@pytest.mark.parametrize("example", examples())
def test_an_example_runs(example, names, folder, monkeypatch):
    monkeypatch.chdir(folder)
    example.globs = {**names, **example.globs}
    printed = []
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=FLAGS)
    assert runner.run(example, out=printed.append).failed == 0, "".join(printed)


def test_what_runs_elsewhere_has_an_example():
    found = [test.name for module in MODULES for test in doctest.DocTestFinder().find(module) if test.examples]
    assert {name.rpartition(".")[2] for name in found} >= {*ELSEWHERE}
