"""Each example runs, at the smallest size at which all of it happens, on one small teacher."""

import importlib
import shutil

import keras
import numpy as np
import pytest

from dfkd_keras.data import digits
from tests.commandline import ROOT


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
        yield importlib.import_module("tiny_teacher").teacher_file(str(path), epochs=4)


@pytest.fixture
def example(teacher, tmp_path, monkeypatch):
    """Imports an example in a folder in which its teacher is there already."""
    shutil.copy(teacher, tmp_path)
    monkeypatch.chdir(tmp_path)
    return importlib.import_module


def test_the_teacher_has_learned_to_read_digits(teacher):
    network, test = keras.saving.load_model(teacher), digits(16).load("test")
    assert np.mean(network.predict(test.unit_images, verbose=0).argmax(axis=-1) == test.labels) > 0.8


def test_a_custom_term_is_part_of_the_loss(example, capsys):
    distiller = example("custom_term").main(synthesis_epochs=1, student_epochs=1, steps_per_epoch=1)
    assert "darkness" in distiller.synthesizer.objective.names
    assert "agreement with the teacher on real digits" in capsys.readouterr().out


def test_a_custom_synthesizer_draws_lines_on_a_dark_ground(example, rng):
    distiller = example("custom_synthesizer").main(epochs=1, steps_per_epoch=1)
    latents = rng.normal(size=(32, distiller.synthesizer.latent_dim)).astype("float32")
    images = keras.ops.convert_to_numpy(distiller.synthesizer.sample(latents, distiller.teacher))
    assert images.shape == (32, 16, 16, 1) and images.min() >= 0.0 and images.max() <= 1.0
    assert np.median(images) < 0.2 and images.max(axis=(1, 2, 3)).mean() > 0.8


@pytest.mark.slow
def test_a_black_box_behind_http_is_distilled(example, tmp_path):
    student = example("black_box_http").main(minutes=0.01, run_dir=tmp_path / "run")
    assert student.output_shape == (None, 10)
    assert "unknown, it is a black box" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.slow
def test_a_sweep_has_a_run_for_each_value(example, tmp_path):
    agreements = example("sweep").main(temperatures=[7.0], epochs=1, steps=2)
    run = tmp_path / "runs" / "sweep" / "temperature-7"
    assert agreements.keys() == {7.0} and 0.0 <= agreements[7.0] <= 1.0
    assert "SoftTargets.temperature = 7.0" in (run / "config.gin").read_text()
    assert len((run / "logs" / "metrics.csv").read_text().splitlines()) == 2  # one epoch
