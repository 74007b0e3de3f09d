"""Comparison of an export with the student: outputs, size and latency."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.metrics import agreement, valid_mask

Predictor = Callable[[np.ndarray], np.ndarray]
BATCH_SIZE = 32
TIMED_CALLS = 20


@dataclasses.dataclass(frozen=True)
class ParityReport:
    """Comparison of an export with the Keras student on held-out images.

    Attributes:
        format: String. The export's format.
        path: String. The export's file or folder.
        images: Integer. Number of images it was compared on.
        largest_logit_difference: Float. Largest absolute difference over all images and classes.
        relative_logit_difference: Float. The same, divided by the student's largest logit if that is above 1, since the
            precision of floats is relative.
        agreement: Float. Fraction of images, or of labeled pixels, with the same predicted class.
        lost_accuracy: Float. Accuracy of the student minus that of the export (0.01 is one percentage point). Without
            labels, the fraction of images with another predicted class.
        bytes: Integer. Size of all files of the export.
        milliseconds_batch_1: Float. Median time of a call with one image, on this machine.
        milliseconds_batch_32: Float. Median time of a call with 32 images, on this machine.
    """

    format: str
    path: str
    images: int
    largest_logit_difference: float
    relative_logit_difference: float
    agreement: float
    lost_accuracy: float
    bytes: int
    milliseconds_batch_1: float
    milliseconds_batch_32: float


def compare(
    name: str, path: Path, predict: Predictor, served: ServedStudent, images: np.ndarray, labels: np.ndarray | None
) -> ParityReport:
    """Compares an export with its student.

    Args:
        name: String. The format.
        path: Path. File or folder of the export, as long as it is not published.
        predict: Callable. The export, a function from uint8 images `[N, H, W, C]` to logits `[N, K]`.
        served: ServedStudent. The student.
        images: uint8 array `[N, H, W, C]`. Held-out images.
        labels: Integer array `[N]`, or `[N, H, W]` for a segmenter. Labels of the images; None if unknown.

    Returns:
        The report. A logit that is not finite makes the differences infinite.
    """
    batches = np.split(images, range(BATCH_SIZE, len(images), BATCH_SIZE))
    exported, expected = np.concatenate([predict(batch) for batch in batches]), served.logits(images)
    difference = float(np.nan_to_num(np.abs(exported - expected), nan=np.inf).max())
    classes, student_classes = exported.argmax(axis=-1), expected.argmax(axis=-1)
    truth = student_classes if labels is None else labels
    known = valid_mask(truth)
    lost = int(np.sum(student_classes[known] == truth[known])) - int(np.sum(classes[known] == truth[known]))
    return ParityReport(
        format=name,
        path=str(path),
        images=len(images),
        largest_logit_difference=difference,
        relative_logit_difference=difference / max(1.0, float(np.abs(expected).max())),
        agreement=agreement(classes[known], student_classes[known]),
        lost_accuracy=lost / known.sum(),
        bytes=size(path),
        milliseconds_batch_1=median_milliseconds(predict, images[:1]),
        milliseconds_batch_32=median_milliseconds(predict, np.resize(images, (BATCH_SIZE, *images.shape[1:]))),
    )


def size(path: Path) -> int:
    """Returns the size in bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def median_milliseconds(predict: Predictor, images: np.ndarray) -> float:
    """Returns the median time of a call, without the first one, which may compile."""
    times = []
    predict(images)
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        predict(images)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)
