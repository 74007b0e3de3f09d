import pytest

import dfkd_keras as dk


def test_two_stage_synthesises_first_and_distils_then():
    schedule = dk.TwoStage(synthesis_epochs=2, student_epochs=3)
    assert schedule.epochs == 5
    assert [tuple(schedule.updates(epoch)) for epoch in range(5)] == [(1, 0), (1, 0), (0, 1), (0, 1), (0, 1)]


def test_alternating_makes_both_updates_in_every_step():
    schedule = dk.Alternating(epochs=2, synthesis_updates=1, student_updates=5)
    assert [tuple(schedule.updates(epoch)) for epoch in range(2)] == [(1, 5), (1, 5)]


def test_kinds_are_all_that_occurs():
    for schedule in (dk.TwoStage(1, 2), dk.Alternating(3, 1, 2)):
        assert set(schedule.kinds) == {schedule.updates(epoch) for epoch in range(schedule.epochs)}


@pytest.mark.parametrize("make", [lambda: dk.TwoStage(0, 1), lambda: dk.TwoStage(1, 0), lambda: dk.Alternating(1, 0)])
def test_counts_below_1_are_refused(make):
    with pytest.raises(ValueError, match="at least 1"):
        make()
