"""The memory: what it holds, in which order, and what it counts."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.state import INTEGER
from dfkd_keras.replay import FirstInFirstOut, LargestClassFirst, LowestPriorityFirst, RandomEviction, capacity
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.schedules.noise import Draws

SHAPE, BATCH = (4, 4, 1), 4


@pytest.fixture
def teacher():
    model = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(10)])
    return dk.Teacher(model, dk.Normalization((0.5,), (0.25,)))


@pytest.fixture
def make(teacher):
    def make(capacity=10, sampling=None, eviction=None):
        buffer = dk.replay.ReplayBuffer(capacity, sampling, eviction)
        buffer.prepare(teacher, BATCH, rounds=5)
        return buffer

    return make


def write(buffer, values, labels=None):
    """Writes one image per value, all of whose pixels are value / 255."""
    images = np.ones((len(values), *SHAPE), "float32") * np.array(values, "float32")[:, None, None, None] / 255.0
    labels = [0] * len(values) if labels is None else labels
    buffer.write(ops.convert_to_tensor(images), ops.convert_to_tensor(np.array(labels, "int32")))


def contents(buffer):
    """The values of the images it holds, place by place."""
    return np.array(buffer.images.value)[: buffer.stored, 0, 0, 0].tolist()


def counts(buffer):
    return np.array(buffer.class_counts.value)


def draws(selection):
    return Draws(None, None, ops.convert_to_tensor(np.array(selection, "float32")), None)


class Constant:
    """A discrepancy of a given value for every image."""

    def __init__(self, value):
        self.value = value

    def __call__(self, teacher_logits, student_logits):
        return ops.full((BATCH,), self.value)


def test_images_survive_as_8_bits_and_come_back_normalized(make, rng):
    buffer, images = make(), rng.uniform(-0.2, 1.2, (BATCH, *SHAPE)).astype("float32")
    buffer.write(ops.convert_to_tensor(images), ops.zeros(BATCH, "int32"))
    sample = buffer.sample(draws([0.0, 0.3, 0.6, 0.9]))
    np.testing.assert_array_equal(sample.indices, [0, 1, 2, 3])
    unit = np.rint(np.clip(images, 0, 1) * 255) / 255
    np.testing.assert_allclose(sample.images, (unit - 0.5) / 0.25, atol=1e-5)
    assert buffer.images.dtype == "uint8"


def test_first_in_first_out_keeps_exactly_the_newest(make):
    buffer, everything = make(10), []
    for batch in range(6):
        values = list(range(BATCH * batch + 1, BATCH * (batch + 1) + 1))
        everything += values
        write(buffer, values)
        assert buffer.stored == min(len(everything), 10)
        assert sorted(contents(buffer)) == everything[-10:]


def test_a_write_overwrites_the_oldest_only(make):
    buffer = make(10)
    for batch in range(2):
        write(buffer, range(BATCH * batch + 1, BATCH * (batch + 1) + 1))
    before = contents(buffer)
    write(buffer, [91, 92, 93, 94])
    assert contents(buffer) == [93, 94, *before[2:], 91, 92]


def test_counts_always_are_those_of_the_images(make, rng):
    for eviction in (FirstInFirstOut(), LargestClassFirst(), RandomEviction(), LowestPriorityFirst()):
        buffer = make(10, dk.replay.PrioritySampling(), eviction)
        for _ in range(8):
            write(buffer, rng.integers(256, size=BATCH), rng.integers(10, size=BATCH))
            assert counts(buffer).sum() == buffer.stored
            held = np.array(buffer.counts_by_image.value)[: buffer.stored]
            np.testing.assert_array_equal(counts(buffer), held.sum(axis=0))
            assert (held.sum(axis=1) == 1).all()


def test_the_lowest_priorities_go_first(make):
    buffer = make(8, dk.replay.PrioritySampling(), LowestPriorityFirst())
    write(buffer, [1, 2, 3, 4])
    write(buffer, [5, 6, 7, 8])
    buffer.priorities.assign([0.5, 0.1, 0.7, 0.2, 0.9, 0.3, 0.8, 0.4])
    write(buffer, [91, 92, 93, 94])
    assert sorted(contents(buffer)) == [1, 3, 5, 7, 91, 92, 93, 94]


def test_the_largest_class_goes_first_and_its_oldest_before(make):
    buffer = make(12, eviction=LargestClassFirst())
    write(buffer, [1, 2, 3, 4], [0, 0, 0, 0])
    write(buffer, [5, 6, 7, 8], [0, 1, 1, 2])
    write(buffer, [9, 10, 11, 12], [0, 0, 1, 3])
    write(buffer, [91, 92, 93, 94], [2, 2, 3, 3])
    # Class 0 had 7 images, class 1 had 3: the four oldest of class 0 leave 3, 3.
    assert sorted(contents(buffer)) == [5, 6, 7, 8, 9, 10, 11, 12, 91, 92, 93, 94]
    assert counts(buffer)[:4].tolist() == [3, 3, 3, 3]


def test_random_eviction_keeps_images_of_many_rounds(make):
    """Of n batches ago a share (1 - B / C)^n is left; every place is as likely to go as any other."""
    capacity, rounds, kept, evicted = 40, 60, np.zeros(60), np.zeros(40)
    for start in range(20):
        buffer = make(capacity, eviction=RandomEviction())
        buffer.written.assign(1000 * start)  # other random numbers
        for batch in range(rounds):
            before = np.array(buffer.insertion_index.value)
            write(buffer, [batch] * BATCH)
            if buffer.stored == capacity and batch > 10:
                evicted += np.array(buffer.insertion_index.value) != before
        kept += np.bincount(contents(buffer), minlength=rounds)
    expected = BATCH * 20 * (1 - BATCH / capacity) ** np.arange(rounds)[::-1]
    assert abs(kept[:30].sum() - expected[:30].sum()) < 5 * np.sqrt(expected[:30].sum())
    assert abs(kept[-5:].sum() - expected[-5:].sum()) < 5 * np.sqrt(expected[-5:].sum())
    assert abs(evicted - evicted.mean()).max() < 5 * np.sqrt(evicted.mean())


def test_a_growing_memory_has_room_for_every_round(make):
    buffer = make(None)
    for batch in range(5):
        write(buffer, [batch] * BATCH)
    assert buffer.stored == 5 * BATCH == buffer.images.shape[0]
    assert contents(buffer) == [batch for batch in range(5) for _ in range(BATCH)]


def test_new_images_get_the_highest_priority(make):
    buffer = make(10, dk.replay.PrioritySampling())
    write(buffer, [1, 2, 3, 4])
    np.testing.assert_array_equal(np.array(buffer.priorities.value)[:4], [1.0] * 4)
    buffer.priorities.assign(ops.convert_to_tensor([0.5, 0.1, 7.0, 0.2] + [0.0] * 6))
    write(buffer, [5, 6, 7, 8])
    np.testing.assert_array_equal(np.array(buffer.priorities.value)[4:8], [7.0] * 4)


def test_priorities_come_from_the_forward_pass_of_the_student(make, rng):
    buffer = make(10, dk.replay.PrioritySampling(importance_sampling_exponent=0.0))
    write(buffer, [1, 2, 3, 4])
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
        write(buffer, rng.integers(256, size=BATCH))
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
    write(buffer, [1, 2, 3, 4])
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
    write(buffer, [1, 2, 3, 4])
    assert buffer.update(buffer.sample(draws([0.1])), None, None) == {}


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_priorities_that_are_negative_or_nan_are_refused_where_they_arise(make, value):
    buffer = make(10, dk.replay.PrioritySampling(discrepancy=Constant(value)))
    write(buffer, [1, 2, 3, 4])
    sample = buffer.sample(draws([0.1, 0.3, 0.6, 0.9]))
    with pytest.raises(ValueError, match=rf"PrioritySampling.discrepancy=.*Constant.* gave the priority {value}"):
        buffer.update(sample, None, None)


def test_a_refused_priority_is_told_of_but_not_kept(make, monkeypatch):
    monkeypatch.setattr("dfkd_keras.replay.buffer.value_or_none", lambda value: None)  # as in a compiled step
    buffer = make(10, dk.replay.PrioritySampling(discrepancy=Constant(-1.0)))
    write(buffer, [1, 2, 3, 4])
    told = buffer.update(buffer.sample(draws([0.1, 0.3, 0.6, 0.9])), None, None)
    assert np.isnan(told["priority"])
    assert np.isfinite(buffer.priorities.value).all()


def test_a_capacity_below_the_batch_is_refused(make):
    with pytest.raises(ValueError, match=r"capacity_images=3 cannot hold the 4 images"):
        make(3)
    with pytest.raises(ValueError, match=r"capacity_images=0 must be a whole number of at least 1"):
        make(0)


def test_an_empty_memory_is_refused(make):
    with pytest.raises(ValueError, match="the ReplayBuffer is empty"):
        make().sample(draws([0.5]))


def test_eviction_by_priority_wants_priorities():
    with pytest.raises(ValueError, match="LowestPriorityFirst needs priorities"):
        dk.replay.ReplayBuffer(10, dk.replay.UniformSampling(), LowestPriorityFirst())


def test_inspection_shows_unit_images_it_holds(make):
    buffer = make()
    write(buffer, [1, 2, 3, 4])
    shown = buffer.show(3)
    assert shown.shape == (3, *SHAPE)
    assert set(np.rint(shown[:, 0, 0, 0] * 255)) <= {1.0, 2.0, 3.0, 4.0}
    assert len(buffer.show(100)) == 4


def test_a_memory_and_rounds_go_together(make_distiller):
    with pytest.raises(ValueError, match="Rounds with a ReplayBuffer"):
        make_distiller(dk.schedules.Alternating(1), replay=dk.replay.ReplayBuffer(10))
    with pytest.raises(ValueError, match="Rounds with a ReplayBuffer"):
        make_distiller(dk.schedules.Rounds(1, 3, 1, 1, 1))


def test_any_synthesizer_can_fill_a_memory(make_distiller):
    distiller = make_distiller(dk.schedules.Rounds(2, 2, 1, 1, 2), replay=dk.replay.ReplayBuffer(20))
    distiller.fit(verbose=0)
    assert distiller.replay.stored == 20
    assert int(distiller.replay.written.value) == 8 * distiller.schedule.rounds
    assert len(np.unique(distiller.replay.preview(20))) > 10


def test_counting_classes_wants_a_memory(make_distiller):
    objective = dk.objectives.WeightedSum([dk.objectives.Modulated(dk.objectives.OneHotCrossEntropy())])
    with pytest.raises(ValueError, match="use a ReplayBuffer, or Modulation"):
        make_distiller(objective=objective)
    with pytest.raises(ValueError, match="use a ReplayBuffer, or Modulation"):
        make_distiller(modulation=dk.objectives.Modulation())


def test_a_memory_made_ready_twice_has_its_variables_once(make):
    buffer, model = make(), models.lenet5_half((32, 32, 1))
    buffer.prepare(dk.Teacher(model), BATCH, rounds=5)
    assert len(buffer.variables) == 8


@pytest.fixture
def segmenter():
    return dk.Teacher(keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Conv2D(10, 1)]))


def test_of_a_segmenter_pixels_are_counted(segmenter, rng):
    for eviction in (FirstInFirstOut(), LargestClassFirst()):
        buffer = dk.replay.ReplayBuffer(10, eviction=eviction)
        buffer.prepare(segmenter, BATCH, rounds=5)
        masks = rng.integers(10, size=(6, BATCH, *SHAPE[:2]))
        for number, mask in enumerate(masks):
            write(buffer, range(BATCH * number, BATCH * (number + 1)), mask)
        held = masks.reshape(-1, *SHAPE[:2])[contents(buffer)]
        np.testing.assert_array_equal(counts(buffer), np.bincount(held.ravel(), minlength=10))


def test_images_that_do_not_fit_into_memory_are_refused_before_they_are_made(segmenter, make, monkeypatch):
    monkeypatch.setattr(capacity, "free_bytes", lambda: 20_000 if INTEGER == "int64" else 10_000)
    make(70)
    message = (
        r"capacity_images=100 of shape \(4, 4, 1\) needs 0 MB, and as much again for a checkpoint, but 0 MB are free"
    )
    with pytest.raises(ValueError, match=message):
        make(100)
    monkeypatch.setattr(capacity, "free_bytes", lambda: None)
    with pytest.raises(ValueError, match=r"have 2,147,483,648 pixels, but at most 2,147,483,647 can be counted"):
        dk.replay.ReplayBuffer(2**27).prepare(segmenter, BATCH, rounds=5)


def test_the_memory_of_images_is_what_its_variables_take(make):
    buffer = make(10)
    taken = sum(np.array(variable.value).nbytes for variable in buffer.variables)
    assert 0 <= taken - capacity.buffer_bytes(10, SHAPE, 10) < 100  # the class counts and some numbers
    assert 786e6 < capacity.buffer_bytes(16_000, (128, 128, 3), 13) < 789e6


def test_free_memory_is_that_which_the_system_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(capacity, "CGROUP", tmp_path / "cgroup")
    (tmp_path / "meminfo").write_text("MemTotal:       2000 kB\nMemAvailable:    1000 kB\nHugePages_Total:       0\n")
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "meminfo")
    assert capacity.free_bytes() == 1_024_000
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "nowhere")
    assert capacity.free_bytes() is None


@pytest.mark.parametrize(
    ("limit", "free"), [("900000", 700_000), ("500000", 300_000), ("100000", 0), ("max", 1_024_000)]
)
def test_a_container_may_have_less_than_the_system(limit, free, tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemAvailable:    1000 kB\n")
    for name, content in {"max": limit, "current": "300000", "stat": "anon 200000\ninactive_file 100000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(content)
    monkeypatch.setattr(capacity, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    assert capacity.free_bytes() == free
