"""The figures of a finished run, as `results.json` holds them."""

import importlib.metadata
import importlib.util
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dfkd_keras import metrics
from dfkd_keras.augmentation import RandomInputRange
from dfkd_keras.backend.state import array_of
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import benchmark
from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT, Evaluation
from dfkd_keras.experiment.run_directory import History
from dfkd_keras.experiment.synthetic_quality import synthetic_quality
from dfkd_keras.experiment.training.loop import TrainingResult
from dfkd_keras.images import InputRange
from dfkd_keras.schedules.schedule import UpdateCounts

VERSIONED = ("dfkd_keras", "keras", "tensorflow", "jax", "numpy", "gin-config")
MEASURED_STEPS = 3
IN_OTHER_RANGES = "estimated_agreement_in_other_ranges"


def collect(
    trained: TrainingResult,
    evaluated: Evaluation,
    predicted: dict[str, np.ndarray],
    max_minutes: float | None,
    started: float,
) -> dict[str, Any]:
    """Evaluates a trained student and gathers the figures of its run; the distiller's state does not change.

    Args:
        trained: `TrainingResult`.
        evaluated: `Evaluation`. The images, their labels or masks, and the names of the classes.
        predicted: Dictionary of integer arrays. What "teacher" and "student" predict for the images.
        max_minutes: Float or None. The time limit of the training, in minutes.
        started: Float. When this call of the run began, in the seconds of `time.perf_counter`.

    Returns:
        Dictionary of the figures by name. `jit_compile` says whether XLA compiled the steps, which Keras decides; on
        TensorFlow it does so on accelerators only. Accuracies are fractions of the test images, or of their pixels:
        `student_accuracy` is that of the final student, `student_accuracy_best` the best of all evaluations. For
        segmentation, `student_mean_iou` and `student_mean_iou_best` are likewise, `student_iou_of` has the IoU of each
        class (null for a class that neither mask contains), and `metric` says which of the two is the headline.
        `agreement` is the fraction of test images, or labeled pixels, on which student and teacher agree; without real
        images there is only `estimated_agreement`, on the procedural ones that `evaluated_on` names. `synthetic_images`
        counts the different images synthesized for the student, `images_per_second` the images it was trained on,
        repeated ones included. `image_quality` is as `synthetic_quality` returns it. `seconds_total` covers this call
        and the training steps of earlier ones. `stopped_by` is what ended the training before its last epoch, and
        `learning_rate_factor` is below 1 if a loss was not finite. `peak_memory_mb` is null where the system does not
        tell it.
    """
    distiller = trained.distiller
    quality = _quality(trained, evaluated, predicted)
    speed = _speed(trained, started)
    return {
        "backend": keras.backend.backend(),
        "jit_compile": distiller.jit_compile,
        **quality,
        **_amounts(trained),
        "image_quality": synthetic_quality(distiller, evaluated),
        **speed,
        "stopped_by": trained.stopped_by,
        "max_minutes": max_minutes,
        "learning_rate_factor": trained.learning_rate_factor,
        "peak_memory_mb": peak_memory_mb(),
        "teacher_parameters": distiller.teacher.model.count_params(),
        "student_parameters": distiller.student.count_params(),
        "versions": versions(),
    }


def in_other_ranges(
    distiller: DataFreeDistiller, evaluated: Evaluation, ranges: Sequence[InputRange]
) -> dict[str, dict[str, float]]:
    """Returns the estimated agreement if the teacher's images are of other ranges than they are taken to be.

    Args:
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`.
        ranges: Sequence of strings, as in `InputConvention`.

    Returns:
        Dictionary of the agreements by range, under their name in `results.json`; empty unless the agreement is
        estimated and there are other ranges.
    """
    if evaluated.metric != ESTIMATED_AGREEMENT or not ranges:
        return {}
    shown, images = RandomInputRange(distiller.teacher.input_range, ranges), evaluated.split.unit_images
    predicted = {name: distiller.predict_classes(shown.in_range(images, name)) for name in ranges}
    return {IN_OTHER_RANGES: {name: metrics.agreement(*classes.values()) for name, classes in predicted.items()}}


def _quality(trained: TrainingResult, evaluated: Evaluation, predicted: dict[str, np.ndarray]) -> dict[str, Any]:
    labels, class_names, metric = evaluated.split.labels, evaluated.class_names, evaluated.metric
    num_classes = len(class_names)
    scores = {
        network: evaluated.renamed(metrics.scores(classes, labels, num_classes))
        for network, classes in predicted.items()
    }
    best = max([*trained.history.column(f"val_{metric}"), scores["student"][metric]])
    quality = {f"{network}_{name}": value for network in scores for name, value in scores[network].items()}
    if trained.distiller.teacher.is_segmenter and evaluated.has_truth:
        ious = {network: metrics.class_ious(classes, labels, num_classes) for network, classes in predicted.items()}
        quality |= {f"{network}_iou_of": _by_class(values, class_names) for network, values in ious.items()}
    agreement = ESTIMATED_AGREEMENT if metric == ESTIMATED_AGREEMENT else "agreement"
    return {
        "metric": metric,
        **quality,
        f"student_{metric}_best": best,
        agreement: metrics.agreement(*predicted.values(), labels),
        "evaluated_on": evaluated.described,
        "test_images": len(labels),
    }


def _by_class(values: np.ndarray, class_names: tuple[str, ...]) -> dict[str, float | None]:
    named = zip(class_names, values, strict=True)
    return {name: None if np.isnan(value) else float(value) for name, value in named}


def _updates(trained: TrainingResult) -> UpdateCounts:
    return trained.distiller.schedule.updates_after(trained.steps)


def _amounts(trained: TrainingResult) -> dict[str, int]:
    distiller, updates = trained.distiller, _updates(trained)
    if distiller.replay.keeps_images:
        synthesized, stored = int(array_of(distiller.replay.written)), distiller.replay.stored
    else:
        synthesized, stored = fresh_batches(distiller, trained.steps, updates) * distiller.batch_size, 0
    return {
        "synthetic_images": synthesized if distiller.synthesizer.synthesizes else 0,
        "buffer_images": stored,
        "synthesis_updates": updates.synthesis,
        "student_updates": updates.student,
    }


def fresh_batches(distiller: DataFreeDistiller, steps: int, updates: UpdateCounts) -> int:
    """Returns how many batches a student without a buffer is trained on.

    Args:
        distiller: `DataFreeDistiller`.
        steps: Integer. Training steps.
        updates: `UpdateCounts`. The updates that these steps make.
    """
    return steps if any(kind.shared_latents for kind in distiller.schedule.kinds) else updates.student


def _speed(trained: TrainingResult, started: float) -> dict[str, float]:
    seconds_total = time.perf_counter() - started + trained.seconds_before
    synthesis, student = split_seconds(trained.distiller, trained.history)
    images = _updates(trained).student * trained.distiller.batch_size
    return {
        "seconds_synthesis": synthesis,
        "seconds_student": student,
        "seconds_total": seconds_total,
        "images_per_second": images / max(synthesis + student, 1e-9),
    }


def split_seconds(distiller: DataFreeDistiller, history: History) -> tuple[float, float]:
    """Returns the training time of synthesis and of the student, in seconds.

    The time of steps that update both sides is divided by the medians of the two, which are measured on a few steps;
    the state of the distiller is restored afterwards.

    Args:
        distiller: `DataFreeDistiller`, trained.
        history: `History` of its epochs.
    """
    synthesis, student = history.total("seconds_synthesis"), history.total("seconds_student")
    both = history.total("seconds") - synthesis - student
    mixed = [kind for kind in distiller.schedule.kinds if kind.synthesis and kind.student]
    if not mixed:
        return synthesis, student
    with benchmark.restored_state(distiller):
        medians = benchmark.measure(distiller, steps=MEASURED_STEPS)
    (kind,) = mixed
    synthesis_time = kind.synthesis * medians["seconds_per_synthesis_update"]
    share = synthesis_time / (synthesis_time + kind.student * medians["seconds_per_student_update"])
    return synthesis + both * share, student + both * (1.0 - share)


def peak_memory_mb() -> float | None:
    """Returns the peak resident memory of this process so far, in MB; None on systems that do not tell it."""
    if importlib.util.find_spec("resource") is None:  # Windows
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that the results depend on."""
    installed = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
