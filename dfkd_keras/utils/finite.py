"""Which entry of an array is no number that a computation can go on with."""

import numpy as np

from dfkd_keras.utils.checks import is_number


def first_not_finite(values: np.ndarray) -> str | None:
    """Returns the first entry that is no finite float32 number, such as "[3, 1] = nan"; None if all are.

    Args:
        values: Array of any shape and type. Text is no number, and neither is None.
    """
    if values.dtype.kind == "O":
        are_finite = np.array([is_number(each) for each in values.ravel()], bool).reshape(values.shape)
    elif values.dtype.kind in "fiu":
        with np.errstate(over="ignore"):
            are_finite = np.isfinite(values.astype("float32"))
    else:
        are_finite = np.zeros(values.shape, bool)
    return None if are_finite.all() else entry(values, ~are_finite)


def entry(values: np.ndarray, wrong: np.ndarray) -> str:
    """Returns the place and the value of the first entry that is wrong.

    Args:
        values: Array of any shape and type.
        wrong: Boolean array of the same shape, which holds somewhere.
    """
    place = np.unravel_index(np.argmax(wrong), wrong.shape)
    value = values[place]
    shown = repr(value.item() if isinstance(value, np.generic) else value)[:50]
    return f"{[int(index) for index in place]} = {shown}"
