"""Measuring the updates of a configuration."""

import time

import gin
import pytest

import dfkd_keras as dk
from dfkd_keras.experiment import benchmark, configure
from dfkd_keras.schedules.schedule import StepKind
from tests.conftest import equal, values


def test_a_schedule_that_refreshes_references_late_can_be_measured_on_a_few_steps(make_distiller):
    objective = dk.objectives.ExponentialPenalty([dk.objectives.OneHotCrossEntropy()], [], refresh_update=20)
    measured = benchmark.measure(make_distiller(dk.schedules.Alternating(1), objective=objective), steps=1)
    seconds = measured["seconds_per_synthesis_update"] + measured["seconds_per_student_update"]
    assert measured["images_per_second"] == pytest.approx(8 / seconds)


def test_steps_are_timed_one_by_one_whatever_the_number_per_call(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1))
    distiller.compile(steps_per_execution=4)
    assert len(benchmark.step_seconds(distiller, StepKind(1, 0), steps=2)) == 5
    assert distiller.steps_per_execution == 4
    distiller.fit(steps_per_epoch=4, verbose=0)


def test_updates_that_share_a_batch_are_measured_together(make_distiller, monkeypatch):
    kinds = []
    monkeypatch.setattr(benchmark, "step_seconds", lambda _, kind, steps, __: kinds.append(kind) or [1.0] * (steps + 3))
    distiller = make_distiller(dk.schedules.Alternating(1, student_updates=10, shared_latents=True))
    measured = benchmark.measure(distiller, steps=2)
    assert kinds == [StepKind(1, 0), StepKind(0, 10, shared_latents=True)]
    assert measured["seconds_per_student_update"] == pytest.approx(0.1)


@pytest.mark.parametrize(("seconds", "steps"), [(0.0, [2, 2]), (9.0, [2, 7, 2, 7]), (1e9, [2, 48, 2, 48])])
def test_short_steps_are_measured_until_they_took_some_time(make_distiller, monkeypatch, seconds, steps):
    made = []
    monkeypatch.setattr(benchmark, "step_seconds", lambda _, __, count, ___: made.append(count) or [1.0] * (count + 3))
    benchmark.measure(make_distiller(dk.schedules.Alternating(1)), steps=2, seconds=seconds)
    assert made == steps


def test_steps_that_a_coarse_clock_does_not_see_are_measured_all_the_same(make_distiller, monkeypatch):
    monkeypatch.setattr(benchmark, "step_seconds", lambda _, __, count, ___: [0.0] * (count + 3))
    distiller = make_distiller(dk.schedules.Alternating(1))
    assert benchmark._seconds_of_steps(distiller, StepKind(1, 0), 2, time.process_time, 0.0) == [0.0] * 5
    assert len(benchmark._seconds_of_steps(distiller, StepKind(1, 0), 2, time.process_time, 9.0)) == 53


def test_of_real_images_synthesis_takes_no_time():
    configure(["baselines/real_data.gin", "smoke.gin"], ["TeacherRecipe.trained = False"])
    try:
        measured = benchmark.measure(gin.get_configurable("Experiment")().build(), steps=1)
    finally:
        gin.clear_config()
    assert measured["seconds_per_synthesis_update"] == 0.0 < measured["seconds_per_student_update"]


def test_the_state_is_restored_after_measuring(make_distiller):
    rate = dk.optimizers.CosineDecayOverTraining(0.1)
    distiller = make_distiller(dk.schedules.Alternating(2, steps_per_epoch=3))
    distiller.compile(dk.optimizers.CoupledSGD(rate), synthesis_optimizer="adam")
    distiller.fit(verbose=0)
    before, position = state(distiller), distiller.position
    with benchmark.restored_state(distiller):
        benchmark.measure(distiller, steps=1)
        assert not equal(state(distiller), before)
    assert equal(state(distiller), before)
    assert distiller.position == position
    assert distiller.optimizer.get_config()["learning_rate"]["config"]["updates"] == 6


def state(distiller):
    return values([*distiller.variables, *distiller.optimizer.variables, *distiller.metrics_variables])
