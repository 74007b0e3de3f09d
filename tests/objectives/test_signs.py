"""Which way the gradient of a term pulls, where its own test does not say so."""

import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import losses, objectives
from dfkd_keras.teacher.batch_statistics import BatchStatistics

from .test_terms import gradient_of, softmax

DISCREPANCIES = {
    "divergence": losses.SoftTargets(1.0),
    "distance": losses.LogitsDistance(),
    "jensen_shannon": losses.JensenShannon(3.0),
}


def adversarial(discrepancy, teacher_weights, student_weights, **kwargs):
    """The discrepancy of two linear networks, a function of their inputs."""
    term = dk.objectives.AdversarialDiscrepancy(discrepancy, **kwargs)

    def of_inputs(inputs):
        teacher, student = (ops.matmul(inputs, weights) for weights in (teacher_weights, student_weights))
        return ops.sum(term(dk.objectives.SyntheticBatch(None, None, teacher, student_logits=student)))

    return of_inputs


@pytest.fixture
def networks(rng):
    return [ops.convert_to_tensor(0.3 * rng.normal(size=(6, 4)).astype("float32")) for _ in range(2)]


@pytest.mark.parametrize("discrepancy", DISCREPANCIES.values(), ids=DISCREPANCIES)
def test_the_images_move_to_where_student_and_teacher_differ_more(networks, discrepancy, rng):
    images = rng.normal(size=(8, 6))
    loss = adversarial(discrepancy, *networks, agreed_only=False)
    gradient = gradient_of(loss, images)
    assert np.abs(gradient).max() > 1e-4
    moved = (images - 0.01 * gradient).astype("float32")
    assert float(loss(ops.convert_to_tensor(moved))) < float(loss(ops.convert_to_tensor(images.astype("float32"))))


@pytest.mark.parametrize("discrepancy", DISCREPANCIES.values(), ids=DISCREPANCIES)
def test_the_images_rest_where_student_and_teacher_are_one(networks, discrepancy, rng):
    loss = adversarial(discrepancy, networks[0], networks[0], agreed_only=False)
    gradient = gradient_of(loss, rng.normal(size=(8, 6)))
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


def test_images_that_the_student_gets_wrong_rest_under_the_mask(networks, rng):
    images = rng.normal(size=(64, 6))
    teacher, student = (images @ np.array(weights) for weights in networks)
    agreed = teacher.argmax(axis=1) == student.argmax(axis=1)
    assert 0 < agreed.sum() < 64
    gradient = np.abs(gradient_of(adversarial(losses.SoftTargets(1.0), *networks), images)).max(axis=1)
    assert gradient[agreed].min() > 1e-4 and gradient[~agreed].max() < 1e-6


def test_the_target_cross_entropy_pulls_the_target_up_and_all_others_down(rng):
    logits, labels = rng.normal(size=(8, 5)), rng.integers(5, size=8)
    term = dk.objectives.TargetCrossEntropy()
    gradient = gradient_of(lambda t: ops.sum(term(dk.objectives.SyntheticBatch(None, None, t, labels=labels))), logits)
    np.testing.assert_allclose(gradient, softmax(logits) - np.eye(5)[labels], atol=1e-5)


def test_batch_norm_statistics_pull_the_batchs_towards_the_stored(rng):
    seen, stored = rng.uniform(0.1, 2.0, (2, 2, 7)).astype("float32")

    def loss(means_and_variances):
        mean, variance = means_and_variances[0], means_and_variances[1]
        statistics = BatchStatistics(mean, variance, *map(ops.convert_to_tensor, stored))
        return dk.objectives.BatchNormStatistics()(
            dk.objectives.SyntheticBatch(None, None, None, batch_statistics=[statistics])
        )

    assert (np.sign(gradient_of(loss, seen)) == np.sign(seen - stored)).all()


def test_latent_mode_seeking_pushes_the_two_halves_apart(rng):
    images, latents = rng.normal(size=(8, 3)), ops.convert_to_tensor(rng.normal(size=(8, 5)).astype("float32"))
    term = objectives.LatentModeSeeking()
    gradient = gradient_of(
        lambda x: term(dk.objectives.SyntheticBatch(None, latents, None, normalized_images=x)), images
    )
    assert (np.sign(gradient[:4]) == -np.sign(images[:4] - images[4:])).all()
    np.testing.assert_allclose(gradient[4:], -gradient[:4], atol=1e-5)


def test_soft_targets_pull_the_student_to_the_teacher(rng):
    teacher, student, temperature = rng.normal(size=(8, 5)), rng.normal(size=(8, 5)), 4.0
    loss = losses.SoftTargets(temperature)
    known = ops.convert_to_tensor(teacher.astype("float32"))
    gradient = gradient_of(lambda logits: ops.sum(loss(known, logits)), student)
    expected = temperature * (softmax(student / temperature) - softmax(teacher / temperature))
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_attention_transfer_pulls_the_students_attention_to_the_teachers(rng):
    logits, teacher = np.zeros((2, 3), "float32"), rng.normal(size=(2, 4, 4, 6)).astype("float32")
    student = rng.normal(size=(2, 4, 4, 6))
    loss = losses.AttentionTransfer(losses.SoftTargets(1.0), weight=1.0)

    def matched(features):
        return ops.sum(loss(logits, logits, [ops.convert_to_tensor(teacher)], [features]))

    gradient = gradient_of(matched, student)
    before, after = (
        float(matched(ops.convert_to_tensor(f.astype("float32")))) for f in (student, student - 0.1 * gradient)
    )
    assert np.abs(gradient).max() > 1e-6 and after < before
