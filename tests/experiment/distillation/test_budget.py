"""The length of a training that is to take a given time."""

import time
from types import SimpleNamespace

import gin
import pytest

from dfkd_keras.experiment.distillation import budget
from dfkd_keras.experiment.distillation.budget import (
    OVERRUN,
    USED_SHARE,
    Length,
    fit_to_time,
    length_so_far,
    planned_length,
    time_limit,
)
from dfkd_keras.experiment.presets import PresetExperiment, experiment_of
from dfkd_keras.experiment.run_directory import RunDirectory


@pytest.fixture
def measured(monkeypatch):
    """Makes the plan of a training its minutes in epochs; returns the minutes asked for."""
    asked = []

    def planned_length(experiment, minutes, clock):
        asked.append((minutes, clock))
        return Length({"synthesis_epochs": 1, "student_epochs": int(minutes)}, epochs=minutes)

    monkeypatch.setattr(budget, "planned_length", planned_length)
    yield asked
    gin.clear_config()


def schedule(experiment):
    with experiment.configured():
        return gin.get_configurable("TwoStage")()


def test_the_epochs_are_those_that_fit_and_bindings_of_the_user_come_after_them(measured, tmp_path):
    experiment = experiment_of(["rdskd.gin", "tasks/mnist_lenet5.gin"], ["steps_per_epoch = 7"])
    fitted = schedule(fit_to_time(experiment, 3.0, RunDirectory(tmp_path), resume=True))
    assert (fitted.synthesis_epochs, fitted.student_epochs, fitted.steps_per_epoch) == (1, 3, 7)
    assert schedule(experiment).student_epochs == 50


def test_an_earlier_run_keeps_its_length_unless_it_starts_over(measured, tmp_path):
    run = RunDirectory(tmp_path)
    run.configuration.write_text("# Macros:\nstudent_epochs = 5\nsynthesis_epochs = 2\nTwoStage.student_epochs = 9\n")
    assert length_so_far(run) == {"student_epochs": 5, "synthesis_epochs": 2}
    experiment = experiment_of(["rdskd.gin"])
    assert schedule(fit_to_time(experiment, 3.0, run, resume=True)).student_epochs == 5
    assert measured == []
    assert schedule(fit_to_time(experiment, 3.0, run, False, time.process_time)).student_epochs == 3
    assert measured == [(3.0, time.process_time)]


@pytest.mark.parametrize(
    ("method", "seconds", "macros"),
    [
        ("ssdkd", 10.0, {"student_epochs": 2, "rounds_per_epoch": 16}),  # 2.5 epochs of 13 rounds
        ("ssdkd", 6.5, {"student_epochs": 2, "rounds_per_epoch": 11}),  # 1.6 epochs
        ("ssdkd", 1.0, {"student_epochs": 1, "rounds_per_epoch": 13}),  # a quarter of one: the shortest training
        ("dafl", 10.0, {"student_epochs": 2, "steps_per_epoch": 150}),
        ("rdskd", 10.0, {"synthesis_epochs": 1, "student_epochs": 2}),  # two stages
    ],
)
def test_whole_epochs_are_stretched_to_fill_the_time(monkeypatch, method, seconds, macros):
    bindings = ["student_epochs = 10", "fast/rounds_per_epoch = 13", "steps_per_epoch = 120"]
    experiment = experiment_of([f"{method}.gin", "tasks/mnist_lenet5.gin"], bindings)
    measured = SimpleNamespace(updates=SimpleNamespace(synthesis=1), seconds=40.0, first_seconds=0.0)
    monkeypatch.setattr(PresetExperiment, "plan", lambda *_, **__: measured)
    assert planned_length(experiment, seconds / 60.0 / USED_SHARE).macros == macros


@pytest.mark.parametrize(
    ("recorded", "said", "resume", "limit"),
    [
        ({"max_minutes": 40.0}, "", True, 40.0),
        ({"max_minutes": 40.0}, "", False, 3.0 * OVERRUN),
        ({"max_minutes": 1.0}, "", True, 3.0 * OVERRUN),
        ({"max_minutes": None}, "'minutes': '60.0 of training'", True, 3.0 * OVERRUN),
        (None, "Experiment.decisions = \\\n    {'minutes': '60.0 of training'}", True, 60.0 * OVERRUN),
        (None, "", True, 3.0 * OVERRUN),
    ],
)
def test_a_call_with_less_time_does_not_cut_off_an_earlier_run(tmp_path, recorded, said, resume, limit):
    run = RunDirectory(tmp_path)
    run.configuration.write_text(said)
    if recorded:
        run.write_json(run.limits, recorded)
    assert time_limit(3.0, run, resume) == limit
    assert time_limit(3.0, RunDirectory(tmp_path / "new"), resume) == 3.0 * OVERRUN


def test_the_steps_that_a_task_sets_are_no_earlier_plan(tmp_path):
    run = RunDirectory(tmp_path)
    run.configuration.write_text("steps_per_epoch = 60\n")
    assert length_so_far(run) == {}
    run.configuration.write_text("student_epochs = 7\nsteps_per_epoch = 60\n")
    assert length_so_far(run) == {"student_epochs": 7, "steps_per_epoch": 60}
