"""What a served student answers, which is checked before anyone relies on it."""

from collections.abc import Iterator

import numpy as np

from dfkd_keras.utils.errors import ServerError
from dfkd_keras.utils.finite import entry, first_not_finite
from dfkd_keras.utils.text import printable

SCORES = ("logits", "probabilities")
ROUNDING = 1e-2  # of the sum of probabilities, which a server may compute in half precision


def checked_answer(outputs: dict[str, np.ndarray], address: str) -> dict[str, np.ndarray]:
    """Returns the outputs of a student, if they are what an exported student gives.

    Args:
        outputs: Dictionary of arrays by name, whose first axis is that of the images.
        address: String. Who answered.

    Returns:
        The outputs; in the names of classes, control characters are written as escapes.

    Raises:
        ServerError: If an output is missing, of a wrong shape or type, or holds an impossible value.
    """
    if fault := next(_faults(outputs), None):
        raise ServerError(f"{address} answered {fault}: check that it serves an exported student, and see its log.")
    if "class_name" not in outputs:
        return outputs
    return {**outputs, "class_name": np.array([printable(name) for name in outputs["class_name"]])}


def _faults(outputs: dict[str, np.ndarray]) -> Iterator[str]:
    """Yields what is wrong with the outputs; only the first is right for sure."""
    chosen = "mask" if "mask" in outputs else "class_id"
    if missing := [name for name in (*SCORES, chosen) if name not in outputs]:
        yield f"no {missing[0]} but {', '.join(map(repr, outputs))[:200]}"
        return
    for name in SCORES:
        if wrong := first_not_finite(outputs[name]):
            yield f"{name}{wrong}, which is no finite number"
    logits, probabilities = (outputs[name] for name in SCORES)
    classes, count = outputs[chosen], logits.shape[-1]
    if logits.ndim != (4 if chosen == "mask" else 2) or probabilities.shape != logits.shape:
        yield f"logits of the shape {logits.shape} and probabilities of {probabilities.shape}"
    if (wrong := (probabilities < 0) | (probabilities > 1 + ROUNDING)).any():
        yield f"probabilities{entry(probabilities, wrong)}, which is not from 0 to 1"
    if (wrong := np.abs(probabilities.sum(axis=-1) - 1) > ROUNDING).any():
        yield f"probabilities whose sum{entry(probabilities.sum(axis=-1), wrong)}, not 1"
    if classes.shape != logits.shape[:-1]:
        yield f"{chosen} of the shape {classes.shape} to logits of {logits.shape}"
    yield from _class_faults(chosen, classes, count)
    likely = np.take_along_axis(probabilities, classes[..., None].astype(np.int64), axis=-1)[..., 0]
    if (wrong := likely < probabilities.max(axis=-1) - ROUNDING).any():
        yield f"{chosen}{entry(classes, wrong)}, which is not the most probable class"
    names = outputs.get("class_name")
    if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
        yield f"class_name of the shape {names.shape} and the type {names.dtype}, not a text for each image"


def _class_faults(name: str, classes: np.ndarray, count: int) -> Iterator[str]:
    wrong = np.ones(classes.shape, bool)
    if classes.dtype.kind in "iu":
        wrong = (classes < 0) | (classes >= count)
    if wrong.any():
        yield f"{name}{entry(classes, wrong)}, which is none of the {count} classes"
