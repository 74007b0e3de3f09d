"""Which images a full replay buffer gives up, and that its counts follow."""

import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.replay import FirstInFirstOut, LargestClassFirst, LowestPriorityFirst, RandomEviction
from tests.replay.conftest import BATCH, add, contents, counts


def test_first_in_first_out_keeps_exactly_the_newest(make):
    buffer, everything = make(10), []
    for batch in range(6):
        values = list(range(BATCH * batch + 1, BATCH * (batch + 1) + 1))
        everything += values
        add(buffer, values)
        assert buffer.stored == min(len(everything), 10)
        assert sorted(contents(buffer)) == everything[-10:]


def test_adding_replaces_the_oldest_only(make):
    buffer = make(10)
    for batch in range(2):
        add(buffer, range(BATCH * batch + 1, BATCH * (batch + 1) + 1))
    before = contents(buffer)
    add(buffer, [91, 92, 93, 94])
    assert contents(buffer) == [93, 94, *before[2:], 91, 92]


def test_counts_always_are_those_of_the_images(make, rng):
    for eviction in (FirstInFirstOut(), LargestClassFirst(), RandomEviction(), LowestPriorityFirst()):
        buffer = make(10, dk.replay.PrioritySampling(), eviction)
        for _ in range(8):
            add(buffer, rng.integers(256, size=BATCH), rng.integers(10, size=BATCH))
            assert counts(buffer).sum() == buffer.stored
            held = np.array(buffer.counts_by_image.value)[: buffer.stored]
            np.testing.assert_array_equal(counts(buffer), held.sum(axis=0))
            assert (held.sum(axis=1) == 1).all()


def test_the_lowest_priorities_go_first(make):
    buffer = make(8, dk.replay.PrioritySampling(), LowestPriorityFirst())
    add(buffer, [1, 2, 3, 4])
    add(buffer, [5, 6, 7, 8])
    buffer.priorities.assign([0.5, 0.1, 0.7, 0.2, 0.9, 0.3, 0.8, 0.4])
    add(buffer, [91, 92, 93, 94])
    assert sorted(contents(buffer)) == [1, 3, 5, 7, 91, 92, 93, 94]


def test_the_largest_class_goes_first_and_its_oldest_before(make):
    buffer = make(12, eviction=LargestClassFirst())
    add(buffer, [1, 2, 3, 4], [0, 0, 0, 0])
    add(buffer, [5, 6, 7, 8], [0, 1, 1, 2])
    add(buffer, [9, 10, 11, 12], [0, 0, 1, 3])
    add(buffer, [91, 92, 93, 94], [2, 2, 3, 3])
    # Class 0 had 7 images, class 1 had 3: the four oldest of class 0 leave 3, 3.
    assert sorted(contents(buffer)) == [5, 6, 7, 8, 9, 10, 11, 12, 91, 92, 93, 94]
    assert counts(buffer)[:4].tolist() == [3, 3, 3, 3]


def test_random_eviction_keeps_images_of_many_rounds(make):
    """Of n batches ago a share (1 - B / C)^n is left; every position is as likely to go as any other."""
    capacity, rounds, kept, evicted = 40, 60, np.zeros(60), np.zeros(40)
    for start in range(8):
        buffer = make(capacity, eviction=RandomEviction())
        buffer.written.assign(1000 * start)  # other random numbers
        for batch in range(rounds):
            before = np.array(buffer.insertion_index.value)
            add(buffer, [batch] * BATCH)
            if buffer.stored == capacity and batch > 10:
                evicted += np.array(buffer.insertion_index.value) != before
        kept += np.bincount(contents(buffer), minlength=rounds)
    expected = BATCH * 8 * (1 - BATCH / capacity) ** np.arange(rounds)[::-1]
    assert abs(kept[:30].sum() - expected[:30].sum()) < 5 * np.sqrt(expected[:30].sum())
    assert abs(kept[-5:].sum() - expected[-5:].sum()) < 5 * np.sqrt(expected[-5:].sum())
    assert abs(evicted - evicted.mean()).max() < 5 * np.sqrt(evicted.mean())


def test_eviction_by_priority_wants_priorities():
    with pytest.raises(ValueError, match="LowestPriorityFirst needs priorities"):
        dk.replay.ReplayBuffer(10, dk.replay.UniformSampling(), LowestPriorityFirst())


class HighestPriorityFirst(dk.replay.Eviction):
    """A user's own eviction."""

    needs_priorities = True

    def retention_score(self, buffer):
        return -buffer.priorities.value


def test_an_eviction_of_ones_own_decides_what_goes(make):
    buffer = make(8, dk.replay.PrioritySampling(), HighestPriorityFirst())
    add(buffer, [1, 2, 3, 4])
    add(buffer, [5, 6, 7, 8])
    buffer.priorities.assign([0.5, 0.1, 0.7, 0.2, 0.9, 0.3, 0.8, 0.4])
    add(buffer, [91, 92, 93, 94])
    assert sorted(contents(buffer)) == [2, 4, 6, 8, 91, 92, 93, 94]
    with pytest.raises(ValueError, match="HighestPriorityFirst needs priorities, which UniformSampling does not keep"):
        make(8, eviction=HighestPriorityFirst())
