"""Answers of TF Serving's REST predict API, which is also the V1 protocol of other servers, as arrays."""

from typing import Any

import numpy as np

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import ServerError
from dfkd_keras.utils.text import printable


def outputs_in(answer: Any, count: int, url: str) -> dict[str, np.ndarray] | np.ndarray:
    """Returns the outputs in an answer, which may hold an object or a value for each image, or an array per output.

    Args:
        answer: The JSON of the answer.
        count: Integer. Number of images that the answer is to.
        url: String. Who answered.

    Returns:
        A dictionary of arrays `[count, ...]` of any type by the names of the outputs, or an array of the only one.

    Raises:
        ServerError: If it is no such answer, or not one to so many images.
    """
    try:
        outputs = answer["outputs"] if "outputs" in answer else _columns(answer["predictions"])
        is_named = isinstance(outputs, dict)
        named = {name: np.asarray(values) for name, values in (outputs if is_named else {"": outputs}).items()}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        cause = printable(f"{type(error).__name__}: {single_line(error)}")[:200]
        raise ServerError(
            f"the answer of {url} is not understood ({cause}): check that it is a predict API."
        ) from error
    if not named or any(values.shape[:1] != (count,) for values in named.values()):
        raise ServerError(
            f"{url} gave no prediction for each of {count} images: check that it is a predict API, and see its log."
        )
    return named if is_named else named[""]


def _columns(rows: Any) -> Any:
    """Returns a list of objects as an object of lists, and any other one as it is."""
    if isinstance(rows[0], dict):
        return {name: [row[name] for row in rows] for name in rows[0]}
    return rows
