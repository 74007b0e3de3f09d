"""`dfkd compare` as a user runs it."""

import os
import signal
import subprocess
import time

import pytest

from tests.commandline import command, environment, error_line, script

SMALL = ["--task=smoke.gin", "--gin_param=Experiment.images_every_epochs = 9"]


def compare(*arguments, cwd):
    return script("compare.py", *arguments, *SMALL, "--out_dir=out", cwd=cwd, timeout=500)


def test_runs_are_added_to_those_that_are_complete_and_a_failed_one_is_named(tmp_path):
    first = compare("--gin_file=nowhere.gin", "--gin_file=rdskd.gin", "--reference=nowhere", cwd=tmp_path)
    assert "these runs failed, see their logs in out: nowhere-seed0" in error_line(first)
    assert "does not exist" in (tmp_path / "out" / "nowhere-seed0.log").read_text()
    written = {path: path.stat().st_mtime for path in (tmp_path / "out").glob("*/results.json")}
    assert len(written) == 1
    second = compare("--gin_file=rdskd.gin", "--seeds=0,1", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert all(path.stat().st_mtime == time for path, time in written.items())
    table = (tmp_path / "out" / "comparison.md").read_text()
    assert table in second.stdout
    assert "| rdskd | 2 |" in table


def test_being_asked_to_stop_stops_the_run_too_and_is_no_failure(tmp_path):
    (tmp_path / "sleeper.py").write_text(
        "import os, pathlib, time\npathlib.Path('process').write_text(str(os.getpid()))\ntime.sleep(300)\n"
    )
    (tmp_path / "sleeper.gin").write_text("import sleeper\n")
    process = subprocess.Popen(
        command("compare.py", "--gin_file=sleeper.gin", "--gin_file=ssdkd.gin", "--out_dir=out"),
        cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "process").exists() or not (tmp_path / "process").read_text():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and "stopped by SIGTERM" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "process").read_text()), 0)
    assert not (tmp_path / "out" / "ssdkd-seed0.log").exists()


@pytest.mark.slow
def test_runs_of_another_configuration_are_not_taken_for_these(tmp_path):
    assert compare("--gin_file=ssdkd.gin", cwd=tmp_path).returncode == 0
    process = compare("--gin_file=ssdkd.gin", "--gin_param=Modulation.gamma = 2.0", cwd=tmp_path)
    assert "these runs failed" in error_line(process)
    assert "different experiment" in (tmp_path / "out" / "ssdkd-seed0.log").read_text()
    assert "| ssdkd |" not in (tmp_path / "out" / "comparison.md").read_text()


def test_wrong_flags_are_errors_of_one_line(tmp_path):
    assert "nothing to compare" in error_line(compare(cwd=tmp_path))
    assert "give --seeds=0,1 here" in error_line(compare("--gin_file=ssdkd.gin", "--seed=1", cwd=tmp_path))
    for seeds in ("a", "0,00"):
        assert f"--seeds={seeds} must be different whole numbers" in error_line(
            compare("--gin_file=ssdkd.gin", f"--seeds={seeds}", cwd=tmp_path)
        )
    twice = compare("--gin_file=ssdkd.gin", "--gin_file=./ssdkd.gin", cwd=tmp_path)
    assert "two of them make the row 'ssdkd'" in error_line(twice)
    unknown = compare("--gin_file=ssdkd.gin", "--reference=ssdkd.gin", cwd=tmp_path)
    assert "--reference=ssdkd.gin is not a row of this comparison: use one of ssdkd" in error_line(unknown)
    assert not (tmp_path / "out").exists()
