import json

import pytest

from dfkd_keras.data.class_names import names_in_file, names_of
from dfkd_keras.experiment.distillation.request import Request
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
    assert names_of(str(path)) == names_of([str(path)]) == Request("teacher.h5", class_names=str(path)).names == names


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


def test_names_may_be_given_one_by_one():
    assert names_of(["cat", "dog"]) == Request("teacher.h5", class_names=["cat", "dog"]).names == ("cat", "dog")
    assert names_of(None) is names_of(()) is None
