"""The adversarial discrepancy and the target cross-entropy against NumPy."""

import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk

from .test_terms import softmax


def batch(teacher, student=None, labels=None, **kwargs):
    tensors = [
        None if logits is None else ops.convert_to_tensor(logits.astype("float32")) for logits in (teacher, student)
    ]
    return dk.objectives.SyntheticBatch(None, None, tensors[0], student_logits=tensors[1], labels=labels, **kwargs)


def divergence(teacher, student):
    p, q = softmax(teacher), softmax(student)
    return np.sum(p * (np.log(p) - np.log(q)), axis=-1)


def test_target_cross_entropy_equals_numpy(rng):
    logits, labels = rng.normal(size=(8, 10)) * 3, rng.integers(10, size=8)
    values = dk.objectives.TargetCrossEntropy()(batch(logits, labels=labels))
    np.testing.assert_allclose(
        values, [-np.log(softmax(row)[label]) for row, label in zip(logits, labels, strict=True)], rtol=1e-5
    )


def test_discrepancy_counts_only_where_student_and_teacher_decide_alike(rng):
    teacher, student = rng.normal(size=(64, 4)), rng.normal(size=(64, 4))
    same = teacher.argmax(axis=-1) == student.argmax(axis=-1)
    assert 0 < same.sum() < 64
    values = dk.objectives.AdversarialDiscrepancy()(batch(teacher, student))
    np.testing.assert_allclose(values, -divergence(teacher, student) * same, atol=1e-5)


def test_every_pixel_of_a_segmenter_is_decided_by_itself(rng):
    teacher, student = rng.normal(size=(2, 5, 6, 8, 4)) * 2
    same = teacher.argmax(axis=-1) == student.argmax(axis=-1)
    assert 0 < same.mean() < 1
    values = dk.objectives.AdversarialDiscrepancy()(batch(teacher, student))
    np.testing.assert_allclose(values, -np.mean(divergence(teacher, student) * same, axis=(1, 2)), atol=1e-5)


def test_without_the_mask_every_image_counts(rng):
    teacher, student = rng.normal(size=(64, 4)), rng.normal(size=(64, 4))
    values = dk.objectives.AdversarialDiscrepancy(agreed_only=False)(batch(teacher, student))
    np.testing.assert_allclose(values, -divergence(teacher, student), atol=1e-5)


def test_the_student_is_the_one_that_differs_from_the_teacher(make_distiller):
    """A toolkit hands the teacher in for the student, which makes the term 0."""
    distiller = make_distiller(
        dk.schedules.Alternating(1),
        objective=dk.objectives.WeightedSum([dk.objectives.AdversarialDiscrepancy(agreed_only=False)]),
    )
    history = distiller.fit(steps_per_epoch=2, verbose=0).history
    assert history["adversarial_discrepancy"][0] < -1e-6


def test_a_late_term_is_0_before_its_round(rng):
    logits, labels = rng.normal(size=(8, 10)), rng.integers(10, size=8)
    term = dk.objectives.AfterRounds(dk.objectives.TargetCrossEntropy(), 3)
    np.testing.assert_array_equal(term(batch(logits, labels=labels, round=ops.convert_to_tensor(2))), np.zeros(8))
    late = term(batch(logits, labels=labels, round=ops.convert_to_tensor(3)))
    np.testing.assert_array_equal(late, dk.objectives.TargetCrossEntropy()(batch(logits, labels=labels)))


def test_a_late_term_starts_with_a_plain_generator_too(make_distiller):
    objective = dk.objectives.WeightedSum(
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.AfterRounds(dk.objectives.ClassEntropy(), 3)]
    )
    schedule = dk.schedules.Rounds(
        epochs=2, rounds_per_epoch=3, warmup_rounds=2, synthesis_updates=1, student_updates=2
    )
    distiller = make_distiller(schedule, objective=objective, replay=dk.replay.ReplayBuffer(20))
    entropies = distiller.fit(verbose=0).history["class_entropy"]
    assert entropies[1] < -0.1
    with pytest.raises(ValueError, match="AfterRounds waits for rounds, which Alternating has none of"):
        make_distiller(dk.schedules.Alternating(1), objective=objective)


def test_wrappers_keep_the_name_and_the_needs():
    term = dk.objectives.AfterRounds(
        dk.objectives.Modulated(dk.objectives.AdversarialDiscrepancy(), dk.objectives.Modulation()), 3
    )
    assert term.name == "adversarial_discrepancy"
    assert term.needs == {"student", "class_counts", "rounds"}
    assert dk.objectives.Modulated(
        dk.objectives.TargetCrossEntropy(), dk.objectives.Modulation(diversity=False)
    ).needs == {"labels"}


@pytest.mark.parametrize("rounds", [-1, 2.5])
def test_a_wait_of_impossible_length_is_refused(rounds):
    with pytest.raises(ValueError, match=f"AfterRounds.rounds={rounds} must be a whole number of at least 0"):
        dk.objectives.AfterRounds(dk.objectives.ClassEntropy(), rounds)
