"""Whether a network is as often right as it is sure, and what a student's certainty says in its teacher's place."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.metrics import evaluation_batch_size, valid_mask

BINS = 10
MOST_IMAGES, FEWEST_IMAGES, MOST_PIXELS = 2000, 64, 2**23  # of large images there are fewer, so that it takes seconds
SURE = 0.9


class Calibration(NamedTuple):
    """How sure a network is of its answers, and which of them are right.

    Attributes:
        confidences: Float array `[N]`. Its highest probability for each image, or pixel.
        right: Boolean array `[N]`. Whether the class of this probability is the true one, or else the teacher's.
    """

    confidences: np.ndarray
    right: np.ndarray

    def bins(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the mean confidence, the share of right answers and that of all answers, of each bin with any."""
        index = np.minimum((self.confidences * BINS).astype(int), BINS - 1)
        counts, sums = (np.bincount(index, values, minlength=BINS) for values in (None, self.confidences))
        right, found = np.bincount(index, self.right, minlength=BINS), counts > 0
        return sums[found] / counts[found], right[found] / counts[found], counts[found] / counts.sum()

    def error(self) -> float:
        """Returns the expected calibration error, the mean distance of confidence and share of right answers.

        Reference:
            Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
        """
        confidence, right, share = self.bins()
        return float(np.sum(share * np.abs(confidence - right)))


def calibrate(distiller: DataFreeDistiller, evaluated: Evaluation) -> dict[str, Calibration]:
    """Returns the calibration of "student" and, where the true classes are known, of "teacher".

    Args:
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`. Its images, of which some are used, and labels: the teacher's where none are known.
    """
    teacher, (images, labels) = distiller.teacher, evaluated.split
    networks = {"student": lambda batch: distiller.student(teacher.to_inputs(batch), training=False)}
    if evaluated.has_truth:
        networks["teacher"] = lambda batch: teacher(batch).logits
    chosen = _chosen(images)
    return {name: _calibration(network, images[chosen], labels[chosen]) for name, network in networks.items()}


def told(calibration: dict[str, Calibration], has_truth: bool) -> str:
    """Returns what calibrations say of the student, in words.

    Args:
        calibration: Dictionary, as `calibrate` returns it.
        has_truth: Boolean. Whether being right means the true class, not the teacher's.
    """
    student, right = calibration["student"], "right" if has_truth else "the teacher's too"
    if not all(len(each.right) for each in calibration.values()):
        return "It cannot be told: no answer has finite probabilities."
    sure = student.confidences >= SURE
    text = f"The student is sure to at least {SURE:.0%} of {sure.mean():.1%} of its answers"
    text += f", and {student.right[sure].mean():.1%} of these are {right}." if sure.any() else "."
    text += f" Its confidence is off by {100 * student.error():.1f} points on average"
    return f"{text}, the teacher's by {100 * calibration['teacher'].error():.1f}." if has_truth else f"{text}."


def _chosen(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    count = min(len(images), MOST_IMAGES, max(FEWEST_IMAGES, MOST_PIXELS // (height * width)))
    return np.linspace(0, len(images) - 1, count).astype(int)


def _calibration(network: Callable[[Any], Any], images: np.ndarray, labels: np.ndarray) -> Calibration:
    parts, size = [], evaluation_batch_size(images.shape)
    for start in range(0, len(images), size):
        logits = network(images[start : start + size] / np.float32(255.0))
        probabilities = ops.convert_to_numpy(ops.softmax(ops.cast(logits, "float32")))
        truth = labels[start : start + size]
        known = valid_mask(truth) & np.isfinite(probabilities).all(axis=-1)
        parts.append((probabilities.max(axis=-1)[known], (probabilities.argmax(axis=-1) == truth)[known]))
    return Calibration(*map(np.concatenate, zip(*parts, strict=True)))
