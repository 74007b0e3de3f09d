"""What a suite runs, in which order, what it skips and keeps; the runs themselves are stubs."""

import json
from types import SimpleNamespace

import pytest

from dfkd_keras.experiment.suites import cell as cells_module
from dfkd_keras.experiment.suites.cell import Cell, make_cell
from dfkd_keras.experiment.suites.suite import Shard, Suite, finished_rows, report, run_suite
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils.errors import DFKDError, InvalidInputError


class Stub(Cell):
    def __init__(self, name, problem=None):
        self.name, self.problem = name, problem
        self.subject = name.partition("/")[0]

    def absence(self):
        return self.problem

    def command(self, run_dir, minutes):
        return [self.name, str(run_dir), minutes]

    def figures(self, run):
        return run.read_json(run.results)


class StubSuite(Suite):
    name, minutes, seeds = "stubs", 1.0, (0,)

    def __init__(self, *cells):
        self.made, self.written = list(cells), []

    def only(self, subjects=(), variants=()):
        return self

    def cells(self, seeds):
        return self.made

    def write(self, folder, progress, minutes):
        self.written.append(progress)


@pytest.fixture
def commands(monkeypatch):
    """Makes every run leave results, except those whose name says otherwise; returns the names of the runs."""
    made = []

    def run_command(arguments, log):
        made.append(arguments[0])
        log.parent.mkdir(parents=True, exist_ok=True)
        run = log.parent / log.stem
        run.mkdir(exist_ok=True)
        if "stopped" not in arguments[0]:
            (run / "results.json").write_text(json.dumps({"name": arguments[0], "minutes": arguments[2]}))
        return "broken" not in arguments[0]

    monkeypatch.setattr(cells_module, "run_command", run_command)
    return made


def names(folder):
    return [row["name"] for row in finished_rows(folder)]


def test_runs_are_made_in_the_order_of_the_suite_and_the_report_is_written_after_each(commands, tmp_path):
    suite = StubSuite(Stub("a/y-seed0"), Stub("b/x-seed0"), Stub("a/x-seed0"))
    run_suite(suite, tmp_path, [0], 2.0)
    assert commands == ["a/y-seed0", "b/x-seed0", "a/x-seed0"]
    assert names(tmp_path) == ["a/x-seed0", "a/y-seed0", "b/x-seed0"]
    assert [progress.missing for progress in suite.written] == [2, 1, 0, 0]
    assert finished_rows(tmp_path)[0]["minutes"] == 2.0


def test_the_figures_of_a_run_have_its_times_and_the_commit(commands, tmp_path, monkeypatch):
    def git(command, **_):
        assert command[:2] == ["git", "describe"]
        return SimpleNamespace(stdout="0123abc-dirty\n")

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(cells_module, "LAUNCHER", tmp_path / "dfkd_command.py")
    monkeypatch.setattr(cells_module.subprocess, "run", git)
    figures = make_cell(Stub("a/x-seed0"), tmp_path, 1.0)
    assert figures["seconds"] >= 0.0 and figures["cpu_seconds"] >= 0.0
    assert figures["commit"] == "0123abc-dirty"
    (tmp_path / ".git").rmdir()
    assert make_cell(Stub("a/x-seed0"), tmp_path, 1.0)["commit"] is None


@pytest.mark.parametrize("damaged", ["suite.json", "a/x-seed0.json"])
def test_damaged_records_are_named(commands, tmp_path, damaged):
    suite = StubSuite(Stub("a/x-seed0"))
    run_suite(suite, tmp_path, [0], 1.0)
    (tmp_path / damaged).write_text('{"minutes": ')
    with pytest.raises(InvalidInputError, match=rf"{damaged}' cannot be read \(.*\): re"):
        report(suite, tmp_path, [0], 1.0)


def test_complete_runs_are_kept_and_a_failed_one_is_named_and_tried_again(commands, tmp_path):
    suite = StubSuite(Stub("a/broken-seed0"), Stub("a/x-seed0"))
    for count in (2, 3):
        with pytest.raises(DFKDError, match=r"a/broken-seed0 \(see .*broken-seed0\.log\)"):
            run_suite(suite, tmp_path, [0], 1.0)
        assert len(commands) == count
    assert names(tmp_path) == ["a/x-seed0"]
    assert suite.written[-1].missing == 0 and [*suite.written[-1].failed] == ["a/broken-seed0"]


def test_a_run_that_was_asked_to_stop_ends_the_suite_and_is_made_by_the_next_call(commands, tmp_path):
    suite = StubSuite(Stub("a/stopped-seed0"), Stub("a/x-seed0"))
    with pytest.raises(Preempted, match="the same command resumes it"):
        run_suite(suite, tmp_path, [0], 1.0)
    suite.made[0] = Stub("a/y-seed0")
    run_suite(suite, tmp_path, [0], 1.0)
    assert commands == ["a/stopped-seed0", "a/y-seed0", "a/x-seed0"]


def test_what_is_absent_is_said_once_and_skipped(commands, tmp_path, capsys):
    suite = StubSuite(Stub("gone/x-seed0", "no teacher"), Stub("a/x-seed0"), Stub("gone/y-seed0", "no teacher"))
    run_suite(suite, tmp_path, [0], 1.0)
    assert commands == ["a/x-seed0"]
    assert capsys.readouterr().out.count("gone: skipped, no teacher") == 1
    assert suite.written[-1].missing == 2


def test_shards_share_a_folder_and_make_every_run_once(commands, tmp_path):
    cells = [Stub(f"a/{letter}-seed0") for letter in "vwxyz"]
    run_suite(StubSuite(*cells), tmp_path, [0], 1.0, Shard(2, 2))
    assert commands == ["a/w-seed0", "a/y-seed0"]
    suite = StubSuite(*cells)
    run_suite(suite, tmp_path, [0], 1.0, Shard(1, 2))
    assert sorted(commands) == [cell.name for cell in cells] == names(tmp_path)
    assert suite.written[-1].missing == 0


def test_files_that_another_shard_is_writing_or_a_killed_one_left_are_no_runs(commands, tmp_path):
    run_suite(StubSuite(Stub("a/x-seed0")), tmp_path, [0], 1.0)
    complete = (tmp_path / "a" / "x-seed0.json").read_text()
    (tmp_path / "a" / ".writing-1-0a-x-seed0.json").write_text(complete)
    (tmp_path / "a" / ".writing-2-0b-y-seed0.json").write_text(complete[:5])
    assert names(tmp_path) == ["a/x-seed0"]


def test_a_report_makes_no_run(commands, tmp_path):
    suite = StubSuite(Stub("a/x-seed0"), Stub("a/y-seed0"))
    run_suite(suite, tmp_path, [0], 1.0, Shard(1, 2))
    report(suite, tmp_path, [0], 1.0)
    assert commands == ["a/x-seed0"]
    assert (len(suite.written[-1].rows), suite.written[-1].missing) == (1, 1)


def test_a_folder_keeps_to_one_length(commands, tmp_path):
    suite = StubSuite(Stub("a/x-seed0"))
    run_suite(suite, tmp_path, [0], 1.0)
    for call in (run_suite, report):
        with pytest.raises(InvalidInputError, match=r"--minutes=1\.0.*another --out_dir"):
            call(suite, tmp_path, [0], 2.0)
