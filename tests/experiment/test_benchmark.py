"""What is measured of each kind of update."""

import pytest

import dfkd_keras as dk
from dfkd_keras.experiment import benchmark
from dfkd_keras.schedules.schedule import StepKind


def test_a_plan_of_references_does_not_keep_a_few_steps_from_being_measured(make_distiller):
    objective = dk.objectives.ExponentialPenalty([dk.objectives.OneHotCrossEntropy()], [], refresh_update=20)
    measured = benchmark.measure(make_distiller(dk.schedules.Alternating(1), objective=objective), steps=1)
    assert measured["seconds_per_synthesis_update"] > 0 < measured["seconds_per_student_update"]


def test_updates_are_timed_one_by_one_whatever_a_call_makes(make_distiller):
    distiller = make_distiller(dk.schedules.Alternating(1))
    distiller.compile(steps_per_execution=4)
    assert len(benchmark.step_seconds(distiller, StepKind(1, 0), steps=2)) == 5
    assert distiller.steps_per_execution == 4
    distiller.fit(steps_per_epoch=4, verbose=0)


def test_updates_that_share_a_batch_are_measured_together(make_distiller, monkeypatch):
    kinds = []
    monkeypatch.setattr(benchmark, "step_seconds", lambda _, kind, steps: kinds.append(kind) or [1.0] * (steps + 3))
    distiller = make_distiller(dk.schedules.Alternating(1, student_updates=10, shared_latents=True))
    measured = benchmark.measure(distiller, steps=2)
    assert kinds == [StepKind(1, 0), StepKind(0, 10, shared_latents=True)]
    assert measured["seconds_per_student_update"] == pytest.approx(0.1)
