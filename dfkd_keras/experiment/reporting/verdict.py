"""What the figures of a run say of its student, in words."""

from collections.abc import Sequence
from typing import Any

from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT
from dfkd_keras.experiment.reporting.agreement import confidence_interval
from dfkd_keras.experiment.results import IN_OTHER_RANGES
from dfkd_keras.metrics import METRICS

SHOWN_CLASSES = 10
ESTIMATE = (
    "This is an estimate on procedural images, since no real ones were given. It is good to compare two students of "
    "one teacher, but no promise: it is mostly too high where classes are hard to tell apart or the range was guessed "
    "wrong. dfkd distill --images=FOLDER measures on images of yours, even a few hundred without labels."
)


def headline(results: dict[str, Any]) -> str:
    """Returns the headline result of a run as a sentence."""
    metric, images = results["metric"], f"{results['test_images']:,} {results['evaluated_on']}"
    student = f"{results[f'student_{metric}']:.2%} (best during training {results[f'student_{metric}_best']:.2%})"
    if "agreement" in metric:
        return f"Student's {METRICS[metric]}: {student} on {images}."
    return f"Student {student}, teacher {results[f'teacher_{metric}']:.2%} {METRICS[metric]} on {images}."


def in_other_ranges(results: dict[str, Any]) -> str:
    """Returns the estimates in the other ranges that may be right, in words; empty if there are none."""
    return ", ".join(f"{share:.1%} if it is {name}" for name, share in results.get(IN_OTHER_RANGES, {}).items())


def verdict(results: dict[str, Any], unseen: Sequence[str] = (), by_pixel: bool = False) -> list[str]:
    """Returns how far the headline can be trusted, a paragraph each.

    Args:
        results: Dictionary. The contents of `results.json`.
        unseen: Sequence of strings. The names of classes of which there was no image. Defaults to none.
        by_pixel: Boolean. Whether pixels were compared, which are no independent samples. Defaults to False.
    """
    metric, count = results["metric"], results["test_images"]
    paragraphs = []
    if not by_pixel:
        low, high = confidence_interval(results[f"student_{metric}"], count)
        paragraphs.append(f"Of all images of this kind it is {low:.1%} to {high:.1%}, with 95 % confidence.")
    if metric == ESTIMATED_AGREEMENT:
        paragraphs.append(ESTIMATE)
    if shares := in_other_ranges(results):
        paragraphs.append(f"The range of the teacher's images is a guess. The estimate is {shares}; --input_range.")
    if unseen:
        named = ", ".join(unseen[:SHOWN_CLASSES]) + (", ..." if len(unseen) > SHOWN_CLASSES else "")
        paragraphs.append(f"None of the images is of {len(unseen)} of the classes to the teacher: {named}.")
    if results.get("teacher_parameters"):
        teacher, student = results["teacher_parameters"], results["student_parameters"]
        paragraphs.append(f"The student has {student:,} parameters, {student / teacher:.0%} of the teacher's.")
    return paragraphs
