import io
import re
import sys
import time
from types import SimpleNamespace

import pytest

from dfkd_keras.experiment.training import progress as module
from dfkd_keras.experiment.training.progress import ProgressBar, RemainingTime, keeps_a_line
from dfkd_keras.schedules import Rounds, TwoStage
from dfkd_keras.schedules.schedule import StepKind

SYNTHESIS, STUDENT = StepKind(1, 0), StepKind(0, 1)


def test_what_is_left_counts_each_kind_with_its_own_time():
    left = RemainingTime(TwoStage(1, 3, steps_per_epoch=4), first=0, last=16, steps_per_epoch=4)
    for seconds in (30.0, 5.0, 5.0, 5.0):
        left.count(SYNTHESIS, seconds)
    assert left.spent == 45.0
    left.count(STUDENT, 20.0)  # with its compilation
    left.count(STUDENT, 1.0)
    left.count(STUDENT, 3.0)
    assert left.seconds() == pytest.approx(9 * 2.0)


def test_a_kind_yet_to_come_takes_the_average_and_what_was_made_before_does_not_count():
    left = RemainingTime(TwoStage(1, 1, steps_per_epoch=4), first=2, last=8, steps_per_epoch=4)
    left.count(SYNTHESIS, 9.0)
    left.count(SYNTHESIS, 2.0)
    assert left.seconds() == pytest.approx(4 * 2.0)


def test_every_step_of_a_schedule_of_rounds_is_foreseen():
    rounds = Rounds(epochs=2, rounds_per_epoch=3, warmup_rounds=1, synthesis_updates=2, student_updates=5)
    steps = rounds.steps_per_epoch
    left = RemainingTime(rounds, 0, 2 * steps, steps)
    assert sum(left.to_come.values()) == 2 * steps
    assert left.to_come[STUDENT] == rounds.total_updates().student
    for step in range(2 * steps):
        left.count(rounds.step_kind(*divmod(step, steps)), 1.0)
    assert left.seconds() == 0.0


def test_several_steps_of_a_call_are_as_many_less_to_come():
    left = RemainingTime(TwoStage(1, 1, steps_per_epoch=4), first=0, last=8, steps_per_epoch=4)
    left.count(SYNTHESIS, 9.0, steps=2)
    left.count(SYNTHESIS, 2.0, steps=2)
    assert left.spent == 11.0
    assert left.seconds() == pytest.approx(4 * 1.0)


@pytest.mark.parametrize(
    ("max_seconds", "shown"), [(None, "01:30"), (100.0, "01:10"), (1000.0, "01:30"), (20.0, "00:00")]
)
def test_no_more_time_is_shown_than_a_limit_leaves(max_seconds, shown):
    progress = started(max_seconds)
    progress.remaining = SimpleNamespace(spent=30.0, seconds=lambda: 90.0)
    progress._show({})
    progress.on_train_end()
    assert f"left={shown}" in progress.bar.postfix


def started(max_seconds=None):
    position = SimpleNamespace(kind=SYNTHESIS)
    distiller = SimpleNamespace(schedule=TwoStage(1, 1, steps_per_epoch=4), position=position)
    progress = ProgressBar(SimpleNamespace(distiller=distiller, latest={"agreement": 0.5}), 0, max_seconds)
    progress.set_params({"steps": 4, "epochs": 2})
    progress.on_train_begin()
    return progress


def made(progress, steps=8):
    for step in range(steps):
        progress.on_train_batch_begin(step)
        progress.on_train_batch_end(step)
    progress._show({"val_estimated_agreement": 0.875})
    progress.on_train_end()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_file_has_lines_with_rate_end_and_estimated_agreement_and_no_control_characters(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    made(started())
    lines = sys.stderr.getvalue()
    assert lines.endswith("\n") and all(line.isprintable() for line in lines.splitlines())
    last = lines.splitlines()[-1]
    assert re.match(r"100% 8/8 \[00:0\d, [\d,.]+ steps/s, left=00:00, end=\d\d:\d\d, ", last)
    assert "agreement=0.500" in last and "val_estimated_agreement=0.875" in last


def test_a_terminal_and_a_notebook_keep_one_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    made(started())
    text = sys.stderr.getvalue()
    assert text.count("\n") == 1 and text.count("\r") > 1 and "|####" in text.replace("█", "#")
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    assert keeps_a_line(notebook) and not keeps_a_line(io.StringIO())


def test_an_end_on_another_day_is_told_with_the_day(monkeypatch):
    monkeypatch.setattr(module.time, "localtime", lambda seconds: time.gmtime(seconds % 60))  # a Thursday
    progress = started()
    progress.remaining = SimpleNamespace(spent=0.0, seconds=lambda: 90_000.0)
    progress._show({})
    progress.on_train_end()
    assert "end=Thu 00:0" in progress.bar.postfix
