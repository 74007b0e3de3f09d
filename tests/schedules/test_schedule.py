import pytest

import dfkd_keras as dk
from dfkd_keras.schedules.rounds import RoundsFirst
from dfkd_keras.schedules.schedule import Position, StepKind


def test_a_position_is_the_epoch_the_step_and_what_it_does():
    schedule = dk.schedules.TwoStage(synthesis_epochs=1, student_epochs=1, steps_per_epoch=4)
    assert [schedule.position(step) for step in (0, 3, 4)] == [
        Position(0, 0, StepKind(1, 0)),
        Position(0, 3, StepKind(1, 0)),
        Position(1, 0, StepKind(0, 1)),
    ]
    assert schedule.position(4, steps_per_epoch=10) == Position(0, 4, StepKind(1, 0))


def test_two_stage_synthesizes_first_and_distills_then():
    schedule = dk.schedules.TwoStage(synthesis_epochs=2, student_epochs=3)
    assert schedule.epochs == 5
    assert [schedule.step_kind(epoch)[:2] for epoch in range(5)] == [(1, 0), (1, 0), (0, 1), (0, 1), (0, 1)]


def test_alternating_makes_both_updates_in_every_step():
    schedule = dk.schedules.Alternating(epochs=2, synthesis_updates=1, student_updates=5)
    assert [schedule.step_kind(epoch)[:2] for epoch in range(2)] == [(1, 5), (1, 5)]


@pytest.mark.parametrize(
    "schedule",
    [
        dk.schedules.Alternating(3, 2, 5, steps_per_epoch=4),
        dk.schedules.TwoStage(2, 3, 4),
        dk.schedules.TwoStage(0, 3, 4),
        dk.schedules.Rounds(3, rounds_per_epoch=3, warmup_rounds=2, synthesis_updates=2, student_updates=5),
        RoundsFirst(2, 2, 6, 3, updates_per_step=2),
        dk.schedules.RoundEveryStep(3, 2, 4),
    ],
)
@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_the_total_is_the_sum_over_all_epochs_however_many(schedule, epochs):
    each = [schedule.updates_in_epoch(epoch) for epoch in range(epochs)]
    assert schedule.total_updates(epochs) == (sum(one.synthesis for one in each), sum(one.student for one in each))
    trillion = schedule.total_updates(10**12 + 10)  # at once
    assert trillion.student == schedule.total_updates(10).student + 10**12 * schedule.updates_in_epoch(10).student


def test_a_subclass_with_steps_of_its_own_does_not_inherit_the_stages():
    class Sparing(dk.schedules.Alternating):
        def step_kind(self, epoch, step=0):
            return StepKind(epoch % 2, 1)

    assert Sparing.stages is None
    assert Sparing(epochs=5, steps_per_epoch=10).total_updates() == (20, 50)


def test_kinds_are_all_that_occurs():
    for schedule in (
        dk.schedules.TwoStage(1, 2),
        dk.schedules.Alternating(3, 1, 2),
        dk.schedules.Rounds(2, 3, 2, 2, 4),
        RoundsFirst(1, 2, 4, 1, 2),
        dk.schedules.RoundEveryStep(2, 3, 4),
    ):
        steps = range(schedule.steps_per_epoch)
        assert set(schedule.kinds) == {
            schedule.step_kind(epoch, step) for epoch in range(schedule.epochs) for step in steps
        }


@pytest.mark.parametrize(
    "make",
    [
        lambda: dk.schedules.TwoStage(1, 0),
        lambda: dk.schedules.Alternating(1, 0),
        lambda: dk.schedules.Rounds(student_updates=0),
    ],
)
def test_counts_below_1_are_refused(make):
    with pytest.raises(ValueError, match="at least 1"):
        make()


def letters(schedule, epoch):
    """The steps of an epoch as letters: ( and ) where a round begins and ends, y for synthesis, s for the student."""
    of_kind = {(0, 0, True, False): "(", (1, 0, False, False): "y", (0, 0, False, True): ")", (0, 1, False, False): "s"}
    return "".join(of_kind[schedule.step_kind(epoch, step)[:4]] for step in range(schedule.steps_per_epoch))


def test_rounds_warm_up_first_and_then_alternate():
    schedule = dk.schedules.Rounds(
        epochs=3, rounds_per_epoch=2, warmup_rounds=3, synthesis_updates=2, student_updates=5
    )
    assert schedule.steps_per_epoch == 18
    assert letters(schedule, 0) == "(yy)(yy)(yy)(yy)ss"
    assert letters(schedule, 1) == letters(schedule, 2) == "(yy)sssss(yy)sssss"


def test_rounds_know_their_number_and_an_epochs_updates():
    schedule = dk.schedules.Rounds(
        epochs=3, rounds_per_epoch=2, warmup_rounds=3, synthesis_updates=2, student_updates=5
    )
    assert schedule.rounds == 3 + 1 + 2 * 2
    assert sum(letters(schedule, epoch).count(")") for epoch in range(3)) == schedule.rounds
    assert [schedule.updates_in_epoch(epoch)[:2] for epoch in range(3)] == [(8, 2), (4, 10), (4, 10)]


def test_a_long_first_epoch_goes_on_by_rounds_after_the_warm_up():
    schedule = dk.schedules.Rounds(
        epochs=2, rounds_per_epoch=4, warmup_rounds=2, synthesis_updates=1, student_updates=3
    )
    assert letters(schedule, 0) == "(y)(y)(y)sss(y)sss(y)sss"
    schedule = dk.schedules.Rounds(
        epochs=2, rounds_per_epoch=4, warmup_rounds=3, synthesis_updates=1, student_updates=3
    )
    assert letters(schedule, 0) == "(y)(y)(y)(y)sss(y)ssssss"  # no room for a third round
    assert schedule.rounds == sum(letters(schedule, epoch).count(")") for epoch in range(2))


def test_there_need_be_no_warm_up():
    schedule = dk.schedules.Rounds(
        epochs=2, rounds_per_epoch=1, warmup_rounds=0, synthesis_updates=2, student_updates=5
    )
    assert letters(schedule, 0) == letters(schedule, 1) == "(yy)sssss"
    with pytest.raises(ValueError, match="warmup_rounds=-1 must be a whole number of at least 0"):
        dk.schedules.Rounds(warmup_rounds=-1)


def test_a_warm_up_that_leaves_no_room_for_the_student_is_refused_with_the_remedy():
    with pytest.raises(
        ValueError,
        match=r"warmup_rounds=3 and one more take 17 steps, but an epoch has only 9: raise rounds_per_epoch to 2",
    ):
        dk.schedules.Rounds(epochs=3, rounds_per_epoch=1, warmup_rounds=3, synthesis_updates=2, student_updates=5)
    dk.schedules.Rounds(epochs=3, rounds_per_epoch=2, warmup_rounds=3, synthesis_updates=2, student_updates=5)


def test_rounds_first_fills_the_buffer_before_the_student_begins():
    schedule = RoundsFirst(2, rounds_per_epoch=2, synthesis_updates=6, student_epochs=1, updates_per_step=3)
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.rounds) == (3, 8, 4)
    one_round = [StepKind(0, 0, begins_round=True), StepKind(3, 0), StepKind(3, 0), StepKind(0, 0, ends_round=True)]
    assert [schedule.step_kind(0, step) for step in range(8)] == 2 * one_round
    assert {schedule.step_kind(2, step)[:2] for step in range(8)} == {(0, 1)}
    assert [schedule.updates_in_epoch(epoch)[:2] for epoch in range(3)] == [(12, 0), (12, 0), (0, 8)]


def test_looped_updates_must_divide_a_round():
    for make in (
        lambda: RoundsFirst(synthesis_updates=10, updates_per_step=3),
        lambda: dk.schedules.Rounds(updates_per_step=3),
    ):
        with pytest.raises(ValueError, match="updates_per_step=3 must divide"):
            make()


def test_a_round_has_fewer_steps_when_its_updates_are_looped():
    schedule = dk.schedules.Rounds(1, 2, 1, synthesis_updates=10, student_updates=3, updates_per_step=5)
    assert schedule.steps_per_epoch == 2 * (2 + 2 + 3)
    assert schedule.updates_in_epoch(0).synthesis == 20


def test_every_update_has_a_draw_of_its_own():
    assert dk.schedules.Alternating(1, 2, 10, shared_latents=True).step_kind(0).draws == 12
    with pytest.raises(ValueError, match="must be True or False"):
        dk.schedules.Alternating(shared_latents="yes")


def test_a_schedule_without_synthesis_has_updates_of_the_student_alone(make_distiller):
    schedule = dk.schedules.TwoStage(synthesis_epochs=0, student_epochs=2, steps_per_epoch=3)
    assert (schedule.epochs, schedule.kinds, schedule.total_updates()[:2]) == (2, (StepKind(0, 1),), (0, 6))
    with pytest.raises(ValueError, match="must be a whole number of at least 0"):
        dk.schedules.TwoStage(-1, 1)
    with pytest.raises(ValueError, match="GeneratorSynthesizer has something to train, which TwoStage does not plan"):
        make_distiller(schedule)


def test_a_round_in_every_step_is_followed_by_some_student_updates():
    schedule = dk.schedules.RoundEveryStep(epochs=2, student_updates=3, steps_per_epoch=5)
    assert schedule.step_kind(1, 4) == StepKind(0, 3, begins_round=True, ends_round=True)
    assert (schedule.rounds, schedule.total_updates()) == (10, (0, 30))
    with pytest.raises(ValueError, match=r"RoundEveryStep\.student_updates=0 must be a whole number of at least 1"):
        dk.schedules.RoundEveryStep(student_updates=0)
