"""The replay buffer: what it holds, in which order, and what it counts."""

import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.replay import FirstInFirstOut, LargestClassFirst
from dfkd_keras.replay.batch import ReplayBatch
from tests.replay.conftest import BATCH, SHAPE, add, contents, counts, draws


class Constant:
    """A discrepancy of a given value for every image."""

    def __init__(self, value):
        self.value = value

    def __call__(self, teacher_logits, student_logits):
        return ops.full((BATCH,), self.value)


def test_images_survive_as_8_bits_and_come_back_as_unit_images(make, rng):
    buffer, images = make(), rng.uniform(-0.2, 1.2, (BATCH, *SHAPE)).astype("float32")
    buffer.add(ops.convert_to_tensor(images), ops.zeros(BATCH, "int32"))
    sample = buffer.sample(draws([0.0, 0.3, 0.6, 0.9]))
    np.testing.assert_array_equal(sample.indices, [0, 1, 2, 3])
    unit = np.rint(np.clip(images, 0, 1) * 255) / 255
    np.testing.assert_allclose(sample.images, unit, atol=1e-6)
    assert buffer.images.dtype == "uint8"


def test_a_growing_buffer_has_room_for_every_round(make):
    buffer = make(None)
    for batch in range(5):
        add(buffer, [batch] * BATCH)
    assert buffer.stored == 5 * BATCH == buffer.images.shape[0]
    assert contents(buffer) == [batch for batch in range(5) for _ in range(BATCH)]


def test_new_images_get_the_highest_priority(make):
    buffer = make(10, dk.replay.PrioritySampling())
    add(buffer, [1, 2, 3, 4])
    np.testing.assert_array_equal(np.array(buffer.priorities.value)[:4], [1.0] * 4)
    buffer.priorities.assign(ops.convert_to_tensor([0.5, 0.1, 7.0, 0.2] + [0.0] * 6))
    add(buffer, [5, 6, 7, 8])
    np.testing.assert_array_equal(np.array(buffer.priorities.value)[4:8], [7.0] * 4)


def test_priorities_come_from_the_forward_pass_of_the_student(make, rng):
    buffer = make(10, dk.replay.PrioritySampling(importance_sampling_exponent=0.0))
    add(buffer, [1, 2, 3, 4])
    sample = buffer.sample(draws([0.05, 0.3, 0.6, 0.9]))
    teacher, student = (ops.convert_to_tensor(rng.normal(size=(BATCH, 10)).astype("float32")) for _ in range(2))
    logged = buffer.update(sample, teacher, student)
    expected = np.array(dk.losses.SoftTargets(1.0)(teacher, student))
    np.testing.assert_allclose(np.array(buffer.priorities.value)[np.array(sample.indices)], expected, rtol=1e-6)
    np.testing.assert_allclose(logged["priority"], expected.mean(), rtol=1e-6)


def test_images_of_the_warm_up_stay_within_reach_after_the_first_updates(make, rng):
    """Once all but the first batch starved: it alone had priorities of a discrepancy's size."""
    policy = dk.replay.PrioritySampling(priority_exponent=1.0, importance_sampling_exponent=0.4)
    buffer = make(100, policy)
    for _ in range(25):
        add(buffer, rng.integers(256, size=BATCH))
    for _ in range(5):
        sample = buffer.sample(draws(rng.random(BATCH)))
        buffer.update(
            sample, *(ops.convert_to_tensor(rng.normal(size=(BATCH, 10)).astype("float32")) for _ in range(2))
        )
    assert 1.0 / np.sum(np.square(policy.probabilities(buffer.priorities.value, 100))) > 80


def test_priorities_have_the_weight_itself_not_what_its_batch_made_of_it(make):
    buffer = make(
        10,
        dk.replay.PrioritySampling(1.0, importance_sampling_exponent=1.0, discrepancy=Constant(2.0), normalize="max"),
    )
    add(buffer, [1, 2, 3, 4])
    buffer.priorities.assign(np.array([1.0, 2.0, 1.0, 4.0] + [0.0] * 6, "float32"))
    sample = buffer.sample(draws([0.0, 0.2, 0.4, 0.9]))
    np.testing.assert_array_equal(sample.indices, [0, 1, 2, 3])
    importance = 8.0 / (4 * np.array([1.0, 2.0, 1.0, 4.0]))
    np.testing.assert_allclose(sample.importance, importance, rtol=1e-5)
    np.testing.assert_allclose(sample.weights, importance / importance.max(), rtol=1e-5)
    buffer.update(sample, None, None)
    np.testing.assert_allclose(np.array(buffer.priorities.value)[:4], 2.0 * importance, rtol=1e-5)


def test_an_image_drawn_twice_has_one_priority_whichever_is_written(make, monkeypatch):
    buffer, written = make(4, dk.replay.PrioritySampling()), []
    monkeypatch.setattr("dfkd_keras.replay.buffer.assign_rows", lambda variable, *rows: written.append(rows))
    priorities = ops.convert_to_tensor(np.array([1.0, 2.0, 3.0, 4.0], "float32"))
    monkeypatch.setattr(dk.replay.PrioritySampling, "priorities", lambda self, *arguments: priorities)
    buffer.update(ReplayBatch(None, None, None, ops.convert_to_tensor([2, 0, 2, 0])), None, None)
    np.testing.assert_array_equal(written[0][1], [3.0, 4.0, 3.0, 4.0])


def test_uniform_sampling_keeps_no_priorities(make):
    buffer = make()
    add(buffer, [1, 2, 3, 4])
    assert buffer.update(buffer.sample(draws([0.1])), None, None) == {}


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_priorities_that_are_negative_or_nan_are_refused_where_they_arise(make, value):
    buffer = make(10, dk.replay.PrioritySampling(discrepancy=Constant(value)))
    add(buffer, [1, 2, 3, 4])
    sample = buffer.sample(draws([0.1, 0.3, 0.6, 0.9]))
    with pytest.raises(ValueError, match=rf"PrioritySampling.discrepancy=.*Constant.* gave the priority {value}"):
        buffer.update(sample, None, None)


def test_a_refused_priority_is_logged_but_not_kept(make, monkeypatch):
    monkeypatch.setattr("dfkd_keras.replay.buffer.value_or_none", lambda value: None)  # as in a compiled step
    buffer = make(10, dk.replay.PrioritySampling(discrepancy=Constant(-1.0)))
    add(buffer, [1, 2, 3, 4])
    logged = buffer.update(buffer.sample(draws([0.1, 0.3, 0.6, 0.9])), None, None)
    assert np.isnan(logged["priority"])
    assert np.isfinite(buffer.priorities.value).all()


def test_an_empty_buffer_is_refused(make):
    with pytest.raises(ValueError, match="the ReplayBuffer is empty"):
        make().sample(draws([0.5]))


def test_the_preview_has_unit_images_of_the_buffer(make):
    buffer = make()
    add(buffer, [1, 2, 3, 4])
    shown = buffer.preview(3)
    assert shown.shape == (3, *SHAPE)
    assert set(np.rint(shown[:, 0, 0, 0] * 255)) <= {1.0, 2.0, 3.0, 4.0}
    assert len(buffer.preview(100)) == 4


def test_a_buffer_and_rounds_go_together(make_distiller):
    with pytest.raises(ValueError, match="Rounds with a ReplayBuffer"):
        make_distiller(dk.schedules.Alternating(1), replay=dk.replay.ReplayBuffer(10))
    with pytest.raises(ValueError, match="Rounds with a ReplayBuffer"):
        make_distiller(dk.schedules.Rounds(1, 3, 1, 1, 1))


def test_any_synthesizer_can_fill_a_buffer(make_distiller):
    distiller = make_distiller(dk.schedules.Rounds(2, 2, 1, 1, 2), replay=dk.replay.ReplayBuffer(20))
    distiller.fit(verbose=0)
    assert distiller.replay.stored == 20
    assert int(distiller.replay.written.value) == 8 * distiller.schedule.rounds
    assert len(np.unique(distiller.replay.preview(20))) > 10


def test_counting_classes_wants_a_buffer(make_distiller):
    objective = dk.objectives.WeightedSum([dk.objectives.Modulated(dk.objectives.OneHotCrossEntropy())])
    with pytest.raises(ValueError, match="use a ReplayBuffer, or Modulation"):
        make_distiller(objective=objective)
    with pytest.raises(ValueError, match="use a ReplayBuffer, or Modulation"):
        make_distiller(modulation=dk.objectives.Modulation())


def test_a_buffer_prepared_twice_has_its_variables_once(make):
    buffer, model = make(), models.lenet5_half((32, 32, 1))
    buffer.prepare(dk.Teacher(model), BATCH, rounds=5)
    assert len(buffer.variables) == 8


def test_of_a_segmenter_pixels_are_counted(segmenter, rng):
    for eviction in (FirstInFirstOut(), LargestClassFirst()):
        buffer = dk.replay.ReplayBuffer(10, eviction=eviction)
        buffer.prepare(segmenter, BATCH, rounds=5)
        masks = rng.integers(10, size=(6, BATCH, *SHAPE[:2]))
        for number, mask in enumerate(masks):
            add(buffer, range(BATCH * number, BATCH * (number + 1)), mask)
        held = masks.reshape(-1, *SHAPE[:2])[contents(buffer)]
        np.testing.assert_array_equal(counts(buffer), np.bincount(held.ravel(), minlength=10))
