"""Where a student agrees with its teacher, class by class, and what it takes for what."""

import math
from typing import NamedTuple

import numpy as np

MOST_CONFUSIONS = 8
NORMAL_QUANTILE = 1.959964  # of a confidence interval of 95 %


class Confusion(NamedTuple):
    """Images that the teacher gives one class and the student another.

    Attributes:
        teacher_class: Integer. Index of the teacher's class.
        student_class: Integer. Index of the student's.
        positions: Integer array. Which images these are.
    """

    teacher_class: int
    student_class: int
    positions: np.ndarray


def agreement_by_class(teacher: np.ndarray, student: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the share of the images of each class on which the student agrees.

    Args:
        teacher: Integer array `[N]`. The teacher's classes.
        student: Integer array `[N]`. The student's classes.
        num_classes: Integer. Number of classes, K.

    Returns:
        Float array `[K]`; NaN for classes that the teacher gives no image.
    """
    counts = np.bincount(teacher, minlength=num_classes)
    agreed = np.bincount(teacher[teacher == student], minlength=num_classes)
    return np.where(counts > 0, agreed / np.maximum(counts, 1), np.nan)


def most_confused(teacher: np.ndarray, student: np.ndarray, most: int = MOST_CONFUSIONS) -> list[Confusion]:
    """Returns the pairs of classes that are confused most often, the most frequent one first.

    Args:
        teacher: Integer array `[N]`. The teacher's classes.
        student: Integer array `[N]`. The student's classes.
        most: Integer. Number of pairs at most. Defaults to 8.
    """
    wrong, classes = np.flatnonzero(teacher != student), 1 + max(teacher.max(initial=0), student.max(initial=0))
    pairs = classes * teacher[wrong].astype(int) + student[wrong]
    found, counts = np.unique(pairs, return_counts=True)
    chosen = found[np.argsort(-counts, kind="stable")[:most]]
    return [Confusion(*map(int, divmod(pair, classes)), wrong[pairs == pair]) for pair in chosen]


def confidence_interval(share: float, count: int) -> tuple[float, float]:
    """Returns between which shares that of all images lies with 95 % confidence, given that of some of them.

    Args:
        share: Float in [0, 1]. Share of the images that were looked at.
        count: Integer. Number of these.

    Reference:
        Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927.
    """
    squared = NORMAL_QUANTILE**2 / count
    center = (share + squared / 2) / (1 + squared)
    reach = NORMAL_QUANTILE * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return max(0.0, center - reach), min(1.0, center + reach)
