"""Whether an export says what the student says, and what it costs."""

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
    """An export compared with the Keras student on held-out images.

    Attributes:
        format: of the export.
        path: of its file or folder.
        images: how many it was compared on.
        largest_logit_difference: over all images and classes.
        relative_logit_difference: the same, divided by the student's largest logit where that is above 1: the
            precision of floats is relative.
        agreement: the fraction of images, or of labeled pixels, with the same class.
        lost_accuracy: how much less of the labels it gets right than the student (0.01 is one percentage point);
            where no labels are known, the fraction of images with another class.
        bytes: the size of all its files.
        milliseconds_batch_1: the median time of a call with one image, on this machine.
        milliseconds_batch_32: likewise with 32 images.
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
    """Compares an export with the student it was made of.

    Args:
        name: of the format.
        path: of the export, while it is checked.
        predict: the export, from uint8 images `[N, H, W, C]` to logits `[N, K]`.
        served: the student.
        images: held out, uint8 `[N, H, W, C]`.
        labels: of the images, integers `[N]`, or None.

    Returns:
        The report; a logit that is not finite makes the differences infinite.
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
    """Returns the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def median_milliseconds(predict: Predictor, images: np.ndarray) -> float:
    """Returns the median time of a call, the first one, which may compile, left out."""
    times = []
    predict(images)
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        predict(images)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)
