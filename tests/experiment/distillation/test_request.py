import json

import numpy as np
import pytest

from dfkd_keras.experiment.distillation.request import Request, names_in_file
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("cat\ndog\n\n", ("cat", "dog")),
        (json.dumps(["cat", "dog"]), ("cat", "dog")),
        (json.dumps({"dog": 1, "cat": 0}), ("cat", "dog")),
        (json.dumps({"1": "dog", "0": "cat", "10": "eel", "2": "cow"}), ("cat", "dog", "cow", "eel")),
        (json.dumps({"0": ["n01", "cat"], "1": ["n02", "dog"]}), ("cat", "dog")),
        ("\ufeffcat\r\ndog", ("cat", "dog")),
    ],
)
def test_names_of_classes_are_read_in_the_order_of_the_outputs(tmp_path, content, names):
    path = tmp_path / "names"
    path.write_text(content, encoding="utf-8", newline="")
    assert names_in_file(str(path)) == names
    assert Request("teacher.h5", class_names=str(path)).names == names


@pytest.mark.parametrize("content", ["", "\n", "{broken", "[" * 100_000, '{"a": {}}'])
def test_a_file_without_names_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "names"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="class_names file") as error:
        names_in_file(str(path))
    assert "\n" not in str(error.value)


def test_a_missing_file_of_names_is_named():
    with pytest.raises(NotFoundError, match=r"class_names file 'nowhere\.txt' does not exist"):
        names_in_file("nowhere.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minutes": 0.0}, r"minutes=0\.0 must be a number above 0"),
        ({"minutes": float("inf")}, "minutes=inf must be"),
        ({"minutes": True}, "minutes=True must be"),
        ({"seed": -1}, r"distill\.seed=-1 must be"),
        ({"labels": "labels.csv"}, "labels='labels.csv' are of no use without images"),
        ({"image_shape": (32, 32)}, r"image_shape=\(32, 32\) must be height, width and channels"),
        ({"image_shape": (32, 32, True)}, r"image_shape=\(32, 32, True\) must be height, width and channels"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        Request("teacher.h5", **options)


def test_numbers_of_numpy_become_those_that_gin_reads():
    request = Request("teacher.h5", seed=np.int64(3), image_shape=np.array([32, 32, 3]))
    assert (repr(request.seed), repr(request.image_shape)) == ("3", "(32, 32, 3)")
