"""How sure networks are, and how often they are right."""

import numpy as np
import pytest

from dfkd_keras.data import Split
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.calibration import MOST_IMAGES, Calibration, calibrate, told

FOUR = Calibration(np.array([0.95, 0.92, 0.55, 1.0]), np.array([True, False, False, True]))


def test_bins_are_of_a_tenth_and_the_error_is_weighted_by_their_answers():
    confidences, right, shares = FOUR.bins()
    np.testing.assert_allclose(confidences, [0.55, (0.95 + 0.92 + 1.0) / 3])
    np.testing.assert_allclose(right, [0.0, 2 / 3])
    np.testing.assert_allclose(shares, [1 / 4, 3 / 4])
    assert FOUR.error() == pytest.approx(0.25 * 0.55 + 0.75 * abs(0.95667 - 2 / 3), abs=1e-4)


def test_it_is_told_what_the_sure_answers_are_worth():
    assert told({"student": FOUR}, False).startswith(
        "The student is sure to at least 90% of 75.0% of its answers, and 66.7% of these are the teacher's too. Its "
    )
    unsure = Calibration(np.array([0.5]), np.array([True]))
    text = told({"student": unsure, "teacher": FOUR}, True)
    assert text.startswith(
        "The student is sure to at least 90% of 0.0% of its answers. Its confidence is off by 50.0 points"
    )
    assert text.endswith("the teacher's by 35.5.")


@pytest.mark.parametrize(("metric", "networks"), [("accuracy", {"student", "teacher"}), ("agreement", {"student"})])
def test_both_networks_are_measured_where_the_truth_is_known(make_distiller, rng, metric, networks):
    distiller = make_distiller()
    images = rng.integers(0, 256, (20, 32, 32, 1), "uint8")
    predicted = distiller.predict_classes(images / np.float32(255.0))
    evaluated = Evaluation(Split(images, predicted["student"]), tuple("0123456789"), metric)
    found = calibrate(distiller, evaluated)
    assert found.keys() == networks
    assert found["student"].right.all() and found["student"].confidences.shape == (20,)
    probabilities = np.exp(logits := np.array(distiller.student(images[:1] / np.float32(255.0)))) / np.exp(logits).sum()
    assert found["student"].confidences[0] == pytest.approx(probabilities.max(), rel=1e-4)


def test_pixels_of_no_class_do_not_count_and_of_many_images_some_are_enough(make_distiller, monkeypatch):
    distiller = make_distiller()
    monkeypatch.setattr(distiller, "student", lambda batch, training: np.zeros((len(batch), 2, 2, 3), "float32"))
    masks = np.zeros((3000, 2, 2), "uint8")
    masks[:, 0, 0] = 255
    evaluated = Evaluation(Split(np.zeros((3000, 2, 2, 1), "uint8"), masks), ("a", "b", "c"), "agreement")
    (student,) = calibrate(distiller, evaluated).values()
    assert len(student.confidences) == 3 * MOST_IMAGES and student.right.all()
