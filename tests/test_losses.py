import numpy as np
import pytest

import dfkd_keras as dk


def kl_in_numpy(teacher, student, temperature):
    def softmax(logits):
        exponentials = np.exp(logits / temperature)
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    p, q = softmax(teacher), softmax(student)
    return temperature**2 * (p * np.log(p / q)).sum(axis=-1)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 10.0])
def test_soft_targets_equal_numpy(rng, temperature):
    teacher, student = rng.normal(size=(2, 6, 10)).astype("float32")
    loss = dk.SoftTargets(temperature)(teacher, student)
    np.testing.assert_allclose(loss, kl_in_numpy(teacher.astype(float), student.astype(float), temperature), atol=1e-5)


def test_equal_logits_give_0_whatever_their_offset(rng):
    logits = rng.normal(size=(6, 10)).astype("float32")
    np.testing.assert_allclose(dk.SoftTargets(3.0)(logits, logits + 5.0), np.zeros(6), atol=1e-5)


def test_segmentation_logits_are_averaged_per_image(rng):
    teacher, student = rng.normal(size=(2, 2, 3, 5, 10)).astype("float32")
    expected = kl_in_numpy(teacher, student, 2.0).mean(axis=(1, 2))
    np.testing.assert_allclose(dk.SoftTargets(2.0)(teacher, student), expected, atol=1e-5)


def test_large_logits_stay_finite():
    loss = dk.SoftTargets(1.0)(np.float32([[1e4, 0.0]]), np.float32([[0.0, 1e4]]))
    np.testing.assert_allclose(loss, [1e4])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature}"):
        dk.SoftTargets(temperature)
