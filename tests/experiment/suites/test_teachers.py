"""The description of teachers in a folder, and their real images."""

import json

import numpy as np
import pytest

from dfkd_keras.data import digits
from dfkd_keras.experiment.suites.teachers import SuiteTeacher, read_manifest, real_images
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError


def manifest(folder, **fields):
    (folder / "teachers.json").write_text(json.dumps({"mine": fields}))
    return folder


def test_paths_of_a_manifest_are_of_its_folder_or_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ELSEWHERE", "/data")
    (mine,) = read_manifest(manifest(tmp_path, file="m.h5", images="$ELSEWHERE/real.npz", classes=[0, 1]))
    assert mine.path == tmp_path / "m.h5" and mine.images == "/data/real.npz"
    assert (mine.name, mine.input_range, mine.channel_order, mine.classes) == ("mine", "0..1", "rgb", (0, 1))
    (mine,) = read_manifest(manifest(tmp_path, file="m.h5", images="real.npz"))
    assert mine.images == str(tmp_path / "real.npz")
    (mine,) = read_manifest(manifest(tmp_path, file="m.h5", images="tfds:mnist"))
    assert mine.images == "tfds:mnist"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"file": "m.h5"}, "images"),
        ({"file": "m.h5", "images": "digits", "input_rnge": "0..1"}, "input_rnge"),
        ({"file": "m.h5", "images": "digits", "input_range": "0..2"}, "0..2"),
        ({"file": "m.h5", "images": 3}, "int"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_name_and_the_cause(tmp_path, fields, cause):
    with pytest.raises(InvalidInputError, match=f"teachers.json.*{cause}"):
        read_manifest(manifest(tmp_path, **fields))


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"teachers\.json"):
        read_manifest(tmp_path)


def test_real_images_of_arrays_are_resized_to_the_teachers(tmp_path, rng):
    images = rng.integers(0, 256, (3, 10, 10, 3), np.uint8)
    np.savez(tmp_path / "real.npz", test_images=images, test_labels=[2, 0, 1])
    found = real_images(str(tmp_path / "real.npz"), (5, 5, 3), "test")
    assert found.images.shape == (3, 5, 5, 3) and found.labels.tolist() == [2, 0, 1]
    assert np.array_equal(real_images(str(tmp_path / "real.npz"), (10, 10, 3), "test").images, images)
    with pytest.raises(InvalidInputError, match="3 channels and the teacher takes 1"):
        real_images(str(tmp_path / "real.npz"), (10, 10, 1), "test")
    with pytest.raises(InvalidInputError, match="train_images"):
        real_images(str(tmp_path / "real.npz"), (10, 10, 3), "train")
    with pytest.raises(NotFoundError, match="nowhere"):
        real_images("nowhere.npz", (10, 10, 1), "test")


def test_labels_become_the_teachers_classes():
    parity = SuiteTeacher("odd", "odd.h5", "digits", classes=tuple(digit % 2 for digit in range(10)))
    assert np.array_equal(parity.test_split((8, 8, 1)).labels, digits(8).load("test").labels % 2)
