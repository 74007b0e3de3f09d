"""Answers of predict APIs become arrays, or one line that says why not."""

import numpy as np
import pytest

from dfkd_keras.utils.errors import ServerError
from dfkd_keras.utils.predict_api import outputs_in


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [{"a": [1, 2], "b": "x"}, {"b": "y", "a": [3, 4]}]},
        {"outputs": {"a": [[1, 2], [3, 4]], "b": ["x", "y"]}},
    ],
)
def test_outputs_have_their_names(answer):
    outputs = outputs_in(answer, 2, "server")
    assert sorted(outputs) == ["a", "b"]
    np.testing.assert_array_equal(outputs["a"], [[1, 2], [3, 4]])
    assert outputs["b"].tolist() == ["x", "y"]


@pytest.mark.parametrize("key", ["predictions", "outputs"])
def test_the_only_output_may_have_none(key):
    np.testing.assert_array_equal(outputs_in({key: [[1.5], [2.5]]}, 2, "server"), [[1.5], [2.5]])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"not understood \(TypeError"),
        (7, r"not understood \(TypeError"),
        ("outputs", r"not understood \(TypeError"),
        ([1], r"not understood \(TypeError"),
        ({"error": "\x1b[2J"}, r"not understood \(KeyError: 'predictions'"),
        ({"predictions": []}, r"not understood \(IndexError"),
        ({"predictions": None}, r"not understood \(TypeError"),
        ({"predictions": [{"a": 1}, {"b": 1}]}, r"not understood \(KeyError: 'a'"),
        ({"predictions": [{"a": 1}, 7]}, r"not understood \(TypeError"),
        ({"predictions": [[1, 2], [3]]}, r"not understood \(ValueError: .*inhomogeneous"),
        ({"predictions": [1]}, "no prediction for each of 2 images"),
        ({"predictions": [[1], [2], [3]]}, "no prediction for each of 2 images"),
        ({"predictions": "ab"}, "no prediction for each of 2 images"),
        ({"predictions": [{}, {}]}, "no prediction for each of 2 images"),
        ({"outputs": {}}, "no prediction for each of 2 images"),
        ({"outputs": {"a": 1}}, "no prediction for each of 2 images"),
        ({"outputs": {"a": [1, 2], "b": [1, 2, 3]}}, "no prediction for each of 2 images"),
    ],
)
def test_what_is_no_answer_is_told(answer, message):
    with pytest.raises(ServerError, match=message) as told:
        outputs_in(answer, 2, "server")
    assert "\n" not in str(told.value) and "server" in str(told.value) and "check that" in str(told.value)
