"""What the figures of a run say of its student, in words: for the terminal, the report and the model card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT
from dfkd_keras.experiment.reporting.agreement import confidence_interval
from dfkd_keras.experiment.results import IN_OTHER_RANGES
from dfkd_keras.metrics import METRICS

SHOWN_CLASSES = 10
ANSWERS = {0.95: "Yes", 0.85: "With care", 0.0: "No"}  # by the share of answers that are surely the teacher's
ESTIMATE = (
    "This is an estimate on procedural images, on those of each class of which the teacher is most certain, since no "
    "real images were given; on others they agree less. It is good to compare two students of one teacher, but no "
    "promise about real images: it is mostly too high where classes are hard to tell apart or the range was guessed "
    "wrong. dfkd distill --images=FOLDER measures on images of yours, even a few hundred without labels."
)


def title(results: dict[str, Any]) -> str:
    """Returns what a student is called: its task, its method and its seed."""
    return f"{results['task']}: a student by {results['method']}, seed {results['seed']}"


def answer(results: dict[str, Any], by_pixel: bool = False) -> str:
    """Returns whether a student can stand in for its teacher, in a sentence.

    Args:
        results: Dictionary. The contents of `results.json`.
        by_pixel: Boolean. Whether pixels were compared, which are no independent samples. Defaults to False.
    """
    is_estimate = ESTIMATED_AGREEMENT in results
    share = results[ESTIMATED_AGREEMENT if is_estimate else "agreement"]
    certain = share if by_pixel else confidence_interval(share, results["test_images"])[0]
    said = next(text for least, text in ANSWERS.items() if certain >= least)
    said = "Probably" if is_estimate and said == "Yes" else said
    which = "pixels of " if by_pixel else ""
    return f"Can it stand in for its teacher? {said}: they agree on {share:.1%} of {which}{_images(results)}."


def headline(results: dict[str, Any]) -> str:
    """Returns the headline result of a run as a sentence."""
    metric, images = results["metric"], _images(results)
    student = f"{results[f'student_{metric}']:.2%} (best during training {results[f'student_{metric}_best']:.2%})"
    if "agreement" in metric:
        return f"Student's {METRICS[metric]}: {student} on {images}."
    return f"Student {student}, teacher {results[f'teacher_{metric}']:.2%} {METRICS[metric]} on {images}."


def _images(results: dict[str, Any]) -> str:
    return f"{results['test_images']:,} {results['evaluated_on']}"


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
        paragraphs.append(f"None of the images is of {len(unseen)} of the classes to the teacher: {listed(unseen)}.")
    if results.get("teacher_parameters"):
        teacher, student = results["teacher_parameters"], results["student_parameters"]
        paragraphs.append(f"The student has {student:,} parameters, {student / teacher:.0%} of the teacher's.")
    return paragraphs


def costs(results: dict[str, Any], milliseconds: Mapping[str, Mapping[int, float]]) -> dict[str, dict[str, Any]]:
    """Returns the size and the speed of both networks, by what is measured.

    Args:
        results: Dictionary. The contents of `results.json`.
        milliseconds: Dictionary of dictionaries. The time of each network for a batch, by its size; may be empty.
    """
    known = {name: results.get(f"{name}_parameters") for name in ("teacher", "student")}
    sizes = {name: count or "unknown" for name, count in known.items()}  # a black box tells of none
    batches = next(iter(milliseconds.values()), {})
    times = {
        f"milliseconds for {size} image{'s' * (size > 1)}": {name: each[size] for name, each in milliseconds.items()}
        for size in batches
    }
    return {"parameters": sizes} | times


def listed(names: Sequence[str]) -> str:
    """Returns names, such as those of classes, in words; of many the first ones."""
    return ", ".join(names[:SHOWN_CLASSES]) + (", ..." if len(names) > SHOWN_CLASSES else "")


def decided(results: dict[str, Any]) -> dict[str, str]:
    """Returns what `distill` decided, why, and the flags that change it, by its title; empty for other runs."""
    return results.get("decisions") or {}


def same_run(configuration: Path | str) -> str:
    """Returns the command that makes the run of a configuration again."""
    return f"dfkd train --gin_file={configuration} --run_dir=ANOTHER"
