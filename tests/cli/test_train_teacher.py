"""Whether a teacher can be saved is known before it is trained."""

import pytest
from absl.testing import flagsaver

from dfkd_keras.cli import train_teacher
from dfkd_keras.utils.errors import InvalidInputError, StorageError


@pytest.fixture(autouse=True)
def parsed():
    train_teacher.FLAGS(["train_teacher"])


@pytest.mark.parametrize("output", ["x", "teacher.onnx", "."])
def test_a_name_that_keras_cannot_save_to_is_refused_before_training(monkeypatch, output):
    monkeypatch.setattr(train_teacher, "configured_experiment", lambda: None)
    told = rf"^--output='{output}' must be a file that ends in \.keras or \.h5: rename it\.$"
    with flagsaver.flagsaver(output=output), pytest.raises(InvalidInputError, match=told):
        train_teacher.run()


def test_a_file_that_cannot_be_written_is_told_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr(train_teacher, "configured_experiment", lambda: None)
    (tmp_path / "file").touch()
    with (
        flagsaver.flagsaver(output=str(tmp_path / "file" / "teacher.keras")),
        pytest.raises(StorageError, match=r"teacher\.keras' cannot be written"),
    ):
        train_teacher.run()
