"""The first entry that is no finite number is named with its place."""

import numpy as np
import pytest

from dfkd_keras.utils.finite import entry, first_not_finite


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (np.ones((2, 2)), None),
        (np.ones((2, 2), "int8"), None),
        (np.array([[1, 2**100]], object), None),
        (np.array([[0.0, 1.0], [np.nan, np.inf]]), "[1, 0] = nan"),
        (np.array([-np.inf]), "[0] = -inf"),
        (np.array([1.0, 1e300]), "[1] = 1e+300"),
        (np.array([1.0, None], object), "[1] = None"),
        (np.array([1, 10**400], object), f"[1] = {10**49}"),
        (np.array([["1"]]), "[0, 0] = '1'"),
        (np.array([True]), "[0] = True"),
    ],
)
def test_the_first_entry_that_is_no_finite_number_is_named(values, named):
    assert first_not_finite(values) == named


def test_the_first_of_wrong_entries_is_named_as_python_writes_it():
    assert entry(np.array([[1, 2], [3, -4]], "int8"), np.array([[False, False], [False, True]])) == "[1, 1] = -4"
