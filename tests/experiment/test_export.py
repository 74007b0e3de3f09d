"""The export of a run's student."""

import keras
import numpy as np
import pytest

from dfkd_keras import data
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.export import export_checked
from dfkd_keras.experiment.run_directory import RunDirectory

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModels are TensorFlow's")


@pytest.fixture
def evaluated():
    images, labels = data.digits().load("test")
    return Evaluation(data.Split(images[:16], labels[:16]), tuple("0123456789"), "accuracy")


def test_an_export_that_differs_from_the_student_is_not_kept_but_the_run_goes_on(
    make_distiller, evaluated, tmp_path, monkeypatch, caplog
):
    from dfkd_keras.export import formats

    different = formats.dataclasses.replace(
        formats.FORMATS["savedmodel"], load=lambda folder: lambda images: np.ones((len(images), 10), np.float32)
    )
    monkeypatch.setitem(formats.FORMATS, "savedmodel", different)
    export_checked(make_distiller(), evaluated, RunDirectory(tmp_path))
    assert "no SavedModel: the savedmodel export differs from the student on 16 images" in caplog.text
    assert not list(tmp_path.rglob("saved_model.pb"))


def test_an_export_like_the_student_is_kept_as_the_next_version(make_distiller, evaluated, tmp_path):
    distiller = make_distiller()
    for version in (1, 2):
        export_checked(distiller, evaluated, RunDirectory(tmp_path))
        assert (tmp_path / "export" / "student" / str(version) / "saved_model.pb").exists()
