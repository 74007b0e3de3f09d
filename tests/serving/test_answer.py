"""What a served student answers is checked: no impossible value reaches who asked."""

import numpy as np
import pytest

from dfkd_keras.serving.answer import checked_answer
from dfkd_keras.utils.errors import ServerError


def student(**others):
    """The outputs of a classifier of 3 classes for 2 images."""
    known = {
        "logits": np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        "probabilities": np.array([[0.1, 0.2, 0.7], [0.0, 0.0, 1.0]]),
        "class_id": np.array([2, 2]),
    }
    return known | others


def segmenter(**others):
    """The outputs of a segmenter of 3 classes for 2 images."""
    scores = np.full((2, 4, 4, 3), 1 / 3)
    return {"logits": scores, "probabilities": scores, "mask": np.ones((2, 4, 4), int)} | others


@pytest.mark.parametrize("outputs", [student(), student(class_name=np.array(["a", "b"])), segmenter()])
def test_what_a_student_answers_passes(outputs):
    answered = checked_answer(outputs, "server")
    assert answered.keys() == outputs.keys()
    for name, values in outputs.items():
        np.testing.assert_array_equal(answered[name], values)


def test_names_of_classes_do_nothing_to_a_terminal():
    outputs = checked_answer(student(class_name=np.array(["cat\x1b[2J", "dog"])), "server")
    assert outputs["class_name"].tolist() == [r"cat\x1b[2J", "dog"]


def without(name):
    return {other: values for other, values in student().items() if other != name}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (without("class_id"), "no class_id but 'logits', 'probabilities'"),
        (without("logits"), "no logits but 'probabilities', 'class_id'"),
        (without("probabilities"), "no probabilities but 'logits', 'class_id'"),
        (student(logits=np.full((2, 3), np.nan)), r"logits\[0, 0\] = nan, which is no finite number"),
        (student(logits=np.array([[1, 2, 3], [1, None, 3]])), r"logits\[1, 1\] = None, which is no finite number"),
        (student(logits=np.full((2, 3), "2")), r"logits\[0, 0\] = '2', which is no finite number"),
        (student(probabilities=np.full((2, 3), np.inf)), r"probabilities\[0, 0\] = inf, which is no finite number"),
        (student(probabilities=np.full((2, 3), -1.0)), r"probabilities\[0, 0\] = -1\.0, which is not from 0 to 1"),
        (student(probabilities=np.full((2, 3), 0.9)), r"probabilities whose sum\[0\] = 2\.7"),
        (student(probabilities=np.ones((2, 1))), r"logits of the shape \(2, 3\) and probabilities of \(2, 1\)"),
        (student(logits=np.ones(2), probabilities=np.ones(2)), r"logits of the shape \(2,\)"),
        (student(class_id=np.array([2, -7])), r"class_id\[1\] = -7, which is none of the 3 classes"),
        (student(class_id=np.array([3, 0])), r"class_id\[0\] = 3, which is none of the 3 classes"),
        (student(class_id=np.array([1.5, 0])), r"class_id\[0\] = 1\.5, which is none of the 3 classes"),
        (student(class_id=np.array(["2", "0"])), r"class_id\[0\] = '2', which is none of the 3 classes"),
        (student(class_id=np.array([None, 0])), r"class_id\[0\] = None, which is none of the 3 classes"),
        (student(class_id=np.array([True, False])), r"class_id\[0\] = True, which is none of the 3 classes"),
        (student(class_id=np.array([[1], [2]])), r"class_id of the shape \(2, 1\)"),
        (student(class_name=np.array([1, 2])), r"class_name of the shape \(2,\) and the type int64, not a text"),
        (segmenter(mask=np.full((2, 4, 4), 3)), r"mask\[0, 0, 0\] = 3, which is none of the 3 classes"),
        (segmenter(mask=np.ones((2, 4), int)), r"mask of the shape \(2, 4\)"),
        (student(mask=np.array([1, 2])), r"logits of the shape \(2, 3\)"),
    ],
)  # fmt: skip
def test_what_no_student_answers_is_told(outputs, message):
    with pytest.raises(ServerError, match=f"server answered {message}.*: check that it serves an exported student"):
        checked_answer(outputs, "server")
