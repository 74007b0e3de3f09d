"""What a run came to: the figures of results.json."""

import importlib.metadata
import platform
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from dfkd_keras import metrics
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import benchmark
from dfkd_keras.experiment.training.history import History
from dfkd_keras.schedules.schedule import StepKind

if TYPE_CHECKING:
    from dfkd_keras.experiment.experiment import Experiment
    from dfkd_keras.experiment.training.loop import TrainingResult

VERSIONED = ("dfkd_keras", "keras", "tensorflow", "jax", "numpy", "gin-config")


def collect(
    experiment: "Experiment", trained: "TrainingResult", test: Split, max_minutes: float | None, started: float
) -> dict[str, Any]:
    """Evaluates the trained student and gathers the run's figures.

    Args:
        experiment: what was run.
        trained: what its training came to; the student must have been saved and drawn, see `split_seconds`.
        test: real images and their labels, or masks.
        max_minutes: the limit that training had, if any.
        started: when this call of the run began, as told by `time.perf_counter`.

    Returns:
        The figures by name. `jit_compile` tells whether XLA compiled the steps, which Keras decides: not on TensorFlow
        with CPUs alone, where it is slower. Accuracies are fractions of the test images, or of their pixels;
        `student_accuracy` is that of the final student, `student_accuracy_best` the best of any; for segmentation there
        are `student_mean_iou` and `student_mean_iou_best` likewise, `student_iou_of` for each class, null where neither
        mask has it, and `metric` says which of the two is the task's;
        `agreement` is the fraction of test images, or labeled pixels, on which student and teacher agree;
        `synthetic_images` counts the different images synthesized for the student, `images_per_second` those it was
        trained on, repeated ones included; `seconds_total` is from the start of this call and, after a resume, includes
        the training steps before it; `stopped_by` tells what ended training before its last epoch, and
        `learning_rate_factor` is below 1 if a loss was not finite on the way.
    """
    distiller = trained.distiller
    return {
        "method": experiment.method,
        "task": experiment.task.name,
        "seed": experiment.seed,
        "backend": keras.backend.backend(),
        "jit_compile": distiller.jit_compile,
        **_quality(trained, test, experiment.task.data.class_names),
        **_amounts(trained),
        **_speed(trained, started),
        "stopped_by": trained.stopped_by,
        "max_minutes": max_minutes,
        "learning_rate_factor": trained.learning_rate_factor,
        "peak_memory_mb": peak_memory_mb(),
        "teacher_parameters": distiller.teacher.model.count_params(),
        "student_parameters": distiller.student.count_params(),
        "versions": versions(),
    }


def _quality(trained: "TrainingResult", test: Split, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Returns how good teacher and student are."""
    labels, classes = test.labels, len(class_names)
    seen = trained.distiller.seen_by_both(test.unit_images)
    scores = {network: metrics.scores(predicted, labels, classes) for network, predicted in seen.items()}
    metric = next(iter(scores["student"]))
    best = max([*trained.history.column(f"val_{metric}"), scores["student"][metric]])
    quality = {f"{network}_{name}": value for network in scores for name, value in scores[network].items()}
    if trained.distiller.teacher.is_segmenter:
        ious = {network: metrics.class_ious(predicted, labels, classes) for network, predicted in seen.items()}
        quality |= {f"{network}_iou_of": _by_class(of, class_names) for network, of in ious.items()}
    return {
        "metric": metric,
        **quality,
        f"student_{metric}_best": best,
        "agreement": metrics.agreement(*seen.values(), labels),
        "test_images": len(labels),
    }


def _by_class(values: np.ndarray, class_names: tuple[str, ...]) -> dict[str, float | None]:
    named = zip(class_names, values, strict=True)
    return {name: None if np.isnan(value) else float(value) for name, value in named}


def _updates(trained: "TrainingResult") -> StepKind:
    return trained.distiller.schedule.updates_after(trained.steps)


def _amounts(trained: "TrainingResult") -> dict[str, int]:
    """Returns how many images and updates were made."""
    distiller, updates = trained.distiller, _updates(trained)
    shared = any(kind.shared_latents for kind in distiller.schedule.kinds)
    synthetic, kept = (trained.steps if shared else updates.student) * distiller.batch_size, 0
    if distiller.replay.keeps_images:
        synthetic, kept = int(ops.convert_to_numpy(distiller.replay.written.value)), distiller.replay.stored
    return {
        "synthetic_images": synthetic if distiller.synthesizer.trains else 0,
        "memory_images": kept,
        "synthesis_updates": updates.synthesis,
        "student_updates": updates.student,
    }


def _speed(trained: "TrainingResult", started: float) -> dict[str, float]:
    synthesis, student = split_seconds(trained.distiller, trained.history)
    return {
        "seconds_synthesis": synthesis,
        "seconds_student": student,
        "seconds_total": time.perf_counter() - started + trained.seconds_before,
        "images_per_second": _updates(trained).student * trained.distiller.batch_size / max(synthesis + student, 1e-9),
    }


def split_seconds(distiller: DataFreeDistiller, history: History) -> tuple[float, float]:
    """Returns the training seconds of synthesis and of the student.

    The time of steps that make both updates is shared out by the medians of the two, measured on a few steps
    afterwards; that trains the distiller a little more, so the student must have been saved.
    """
    synthesis, student = history.total("seconds_synthesis"), history.total("seconds_student")
    both = history.total("seconds") - synthesis - student
    mixed = [kind for kind in distiller.schedule.kinds if kind.synthesis and kind.student]
    if not mixed:
        return synthesis, student
    medians, (kind,) = benchmark.measure(distiller, steps=3), mixed
    synthesis_time = kind.synthesis * medians["seconds_per_synthesis_update"]
    share = synthesis_time / (synthesis_time + kind.student * medians["seconds_per_student_update"])
    return synthesis + both * share, student + both * (1.0 - share)


def peak_memory_mb() -> float:
    """Returns the largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def versions() -> dict[str, str]:
    """Returns the versions of what the result depends on."""
    installed = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
