"""What would fail after the training is told before it."""

import keras
import pytest

import dfkd_keras as dk
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.training.rehearsal import rehearse
from dfkd_keras.utils.errors import InvalidInputError, MissingDependencyError, StorageError
from tests.conftest import SHAPE, small_distiller


class Applied(keras.layers.Layer):
    """A layer that cannot be saved, for want of a `get_config`."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with run.locked():
        yield run


def test_a_student_that_can_be_saved_leaves_no_trace(run):
    before = sorted(run.path.iterdir())
    rehearse(small_distiller(dk.schedules.TwoStage(1, 1)), run)
    assert sorted(run.path.iterdir()) == before


def test_a_student_that_cannot_be_saved_is_refused(run):
    images = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(Applied(lambda x: x)(images))
    student = keras.Model(images, keras.layers.Dense(10)(flat), name="own")
    with pytest.raises(InvalidInputError, match=r"student 'own' cannot be saved \(Object Applied .*give each class"):
        rehearse(small_distiller(student=student), run)


def test_a_plan_that_fit_would_refuse_is_refused(run):
    distiller = small_distiller(dk.schedules.TwoStage(1, 1, steps_per_epoch=1))
    with pytest.raises(InvalidInputError, match="an epoch of 1 synthesis updates never reaches"):
        rehearse(distiller, run)


def test_a_folder_that_cannot_be_written_is_told(run):
    run.images.write_text("no folder")
    with pytest.raises(StorageError, match=r"run_dir '.*run' cannot be written \(.*images\)"):
        rehearse(small_distiller(), run)


def test_plots_that_cannot_be_drawn_are_told(run, monkeypatch):
    def missing(module, package):
        raise MissingDependencyError(f"{package} is not installed")

    monkeypatch.setattr("dfkd_keras.experiment.training.rehearsal.require_package", missing)
    with pytest.raises(MissingDependencyError, match="matplotlib is not installed"):
        rehearse(small_distiller(), run)
