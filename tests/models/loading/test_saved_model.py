"""Networks for teachers and students: what `saved_model` reads, and how it says what it does not."""

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.loading.saved_model import saved_model
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError, StorageError


@pytest.fixture
def network():
    return keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)])


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_network_that_was_frozen_can_be_trained(tmp_path, network, name):
    network.trainable = False
    network.save(tmp_path / name)
    again = saved_model(tmp_path / name)
    assert len(again.trainable_variables) == 2
    np.testing.assert_array_equal(again.layers[-1].kernel, network.layers[-1].kernel)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08\x08rest", "is of a format that only teachers may have: give a .keras or .h5 file"),
        (b'{"class_name": "Sequential"}', "is of a format that only teachers may have"),
        (b"", "is empty: it may be damaged"),
        (b"\x80\x04", "is of no known format"),
        (b"PK\x03\x04rest", "cannot be loaded as a Keras model .BadZipFile.*may be truncated"),
        (b"\x89HDF\r\n\x1a\nrest", "cannot be loaded as a Keras model .OSError.*may be truncated"),
    ],
)
def test_other_files_are_told(tmp_path, content, message):
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(InvalidInputError, match=rf"model file '.*m\.keras' {message}"):
        saved_model(tmp_path / "m.keras")


def test_a_folder_of_versions_is_told_to_be_one(tmp_path):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").touch()
    with pytest.raises(InvalidInputError, match=r"holds no saved_model\.pb: name one of its versions, such as .*/1"):
        saved_model(tmp_path)


def test_what_cannot_be_found_or_read_is_told(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match=r"'.*none\.h5' does not exist: check the path"):
        saved_model(tmp_path / "none.h5")

    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "m.h5").touch()
    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(StorageError, match=r"'.*m\.h5' cannot be read \(Permission denied\): grant access"):
        saved_model(tmp_path / "m.h5")
