"""SSD-KD's phi: its closed forms and NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.backend.gradient import BACKEND, differentiate

from .test_adversarial import batch
from .test_terms import softmax

EVEN = ops.convert_to_tensor([2, 2, 2, 2])


def plain(**kwargs):
    """phi itself, neither raised nor normalized."""
    return dk.objectives.Modulation(**{"floor": 0.0, "normalize": False, **kwargs})


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def test_phi_equals_numpy(rng):
    logits, counts = rng.normal(size=(32, 4)) * 2, np.array([5, 0, 3, 8])
    p = softmax(logits)
    expected = (1 - counts[p.argmax(axis=-1)] / 16) * (1 - p.max(axis=-1)) ** 1.5
    np.testing.assert_allclose(plain(gamma=1.5)(tensor(logits), tensor(counts)), expected, rtol=1e-4)


def test_phi_of_the_targets_is_focal(rng):
    logits, counts, labels = rng.normal(size=(32, 4)) * 2, np.array([5, 0, 3, 8]), rng.integers(4, size=32)
    p = softmax(logits)
    expected = (1 - counts[labels] / 16) * (1 - p[np.arange(32), labels]) ** 1.5
    np.testing.assert_allclose(plain(gamma=1.5)(tensor(logits), tensor(counts), labels), expected, rtol=1e-4)
    predicted = plain(gamma=1.5, category="predicted")
    expected = (1 - counts[p.argmax(axis=-1)] / 16) * (1 - p.max(axis=-1)) ** 1.5
    np.testing.assert_allclose(predicted(tensor(logits), tensor(counts), labels), expected, rtol=1e-4)


def test_phi_is_0_where_the_teacher_is_certain():
    assert plain()(tensor([[200.0, 0.0, 0.0, 0.0]]), EVEN)[0] == 0.0


def test_phi_halves_when_a_class_holds_half_of_the_buffer():
    logits = tensor([[1.0, 0.0, 0.0, 0.0]])
    unseen, half = (plain()(logits, tensor(counts))[0] for counts in ([0, 3, 3, 0], [3, 3, 0, 0]))
    np.testing.assert_allclose(half, unseen / 2, rtol=1e-6)


def test_an_empty_buffer_leaves_the_difficulty_alone():
    logits = tensor([[1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(plain()(logits, tensor([0, 0, 0, 0])), plain(diversity=False)(logits), rtol=1e-6)


def test_either_factor_can_be_left_out():
    logits = tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]])
    np.testing.assert_array_equal(plain(diversity=False, gamma=0.0)(logits), [1.0, 1.0])
    np.testing.assert_allclose(plain(gamma=0.0)(logits, tensor([1, 3, 0, 0])), [0.75, 0.25], rtol=1e-6)


def test_normalizing_makes_the_mean_1_and_the_floor_comes_before():
    logits = tensor([[200.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    phi = np.array(dk.objectives.Modulation(floor=0.01)(logits, EVEN))
    np.testing.assert_allclose(phi.mean(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(phi[0] / phi[1], 0.01 / (0.75 * 0.75), rtol=1e-5)


def test_pixels_are_averaged():
    logits = np.zeros((2, 3, 3, 4), "float32")
    np.testing.assert_allclose(plain()(tensor(logits), EVEN), [0.75 * 0.75] * 2, rtol=1e-6)


def test_phi_of_a_segmenter_is_the_mean_over_pixels_of_what_the_teacher_predicts(rng):
    logits, counts = rng.normal(size=(3, 4, 5, 6)) * 2, rng.integers(1, 900, size=6)
    expected = []
    for image in logits.reshape(3, 20, 6):
        pixels = [(1 - counts[p.argmax()] / counts.sum()) * (1 - softmax(p).max()) for p in image]
        expected.append(np.mean(pixels))
    np.testing.assert_allclose(plain()(tensor(logits), tensor(counts)), expected, rtol=1e-5)


def test_phi_weighs_a_term_per_image(rng):
    logits, labels = rng.normal(size=(8, 4)), rng.integers(4, size=8)
    modulated = dk.objectives.Modulated(dk.objectives.TargetCrossEntropy(), plain())
    whole = batch(logits, labels=labels, class_counts=EVEN)
    expected = np.array(plain()(whole.teacher_logits, EVEN, labels)) * np.array(
        dk.objectives.TargetCrossEntropy()(whole)
    )
    np.testing.assert_allclose(modulated(whole), expected, rtol=1e-6)


def test_phi_is_constant_to_the_gradient(rng):
    if BACKEND != "tensorflow":
        pytest.skip("outside of a training step, differentiate runs on TensorFlow only")

    variable = keras.Variable(rng.normal(size=(8, 4)).astype("float32"))
    _, _, (gradient,) = differentiate(lambda: (ops.sum(plain()(ops.convert_to_tensor(variable), EVEN)), ()), [variable])
    assert gradient is None or not np.any(gradient)


def test_statistics_of_a_batch_cannot_be_modulated(rng):
    term = dk.objectives.Modulated(dk.objectives.ClassEntropy(), plain())
    with pytest.raises(ValueError, match=r"ClassEntropy is a statistic of the batch"):
        term(batch(rng.normal(size=(8, 4)), class_counts=EVEN))


@pytest.mark.parametrize("kwargs", [{"gamma": -1.0}, {"floor": -0.1}, {"gamma": float("nan")}, {"category": "rare"}])
def test_negative_arguments_are_refused(kwargs):
    with pytest.raises(ValueError, match="Modulation"):
        dk.objectives.Modulation(**kwargs)


def test_phi_is_constant_to_the_gradient_unless_told(rng):
    logits = keras.Variable(rng.normal(size=(4, 3)).astype("float32"))
    for stop_gradient in (True, False):
        phi = plain(diversity=False, stop_gradient=stop_gradient)
        _, _, (gradient,) = differentiate(lambda phi=phi: (ops.sum(phi(ops.convert_to_tensor(logits))), None), [logits])
        assert (gradient is None or not np.abs(gradient).any()) == stop_gradient


def test_doubles_do_as_well(rng):
    logits, counts = rng.normal(size=(4, 4)), np.array([2, 2, 2, 2])
    expected = dk.objectives.Modulation()(tensor(logits), EVEN)
    np.testing.assert_allclose(dk.objectives.Modulation()(logits, counts), expected, rtol=1e-5)
