import numpy as np
import pytest

from dfkd_keras.experiment.reporting.agreement import agreement_by_class, confidence_interval, most_confused

TEACHER = np.array([0, 0, 0, 1, 1, 3, 3, 3, 3])
STUDENT = np.array([0, 1, 1, 1, 0, 3, 0, 1, 1])


def test_a_class_has_the_share_of_its_own_images_and_none_without_any():
    np.testing.assert_allclose(agreement_by_class(TEACHER, STUDENT, 4), [1 / 3, 1 / 2, np.nan, 1 / 4])


def test_confusions_are_those_of_a_pair_in_this_order_the_most_frequent_first():
    found = most_confused(TEACHER, STUDENT)
    assert [(each.teacher_class, each.student_class, each.positions.tolist()) for each in found] == [
        (0, 1, [1, 2]),
        (3, 1, [7, 8]),
        (1, 0, [4]),
        (3, 0, [6]),
    ]
    assert [each[:2] for each in most_confused(TEACHER, STUDENT, most=1)] == [(0, 1)]


def test_networks_that_agree_confuse_nothing():
    assert most_confused(TEACHER, TEACHER) == []


@pytest.mark.parametrize(
    ("share", "count", "expected"),
    [(0.9, 100, (0.8256, 0.9448)), (1.0, 400, (0.9905, 1.0)), (0.0, 10, (0.0, 0.2775))],  # by tables
)
def test_the_interval_is_wilsons(share, count, expected):
    np.testing.assert_allclose(confidence_interval(share, count), expected, atol=2e-4)
