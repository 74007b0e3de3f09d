"""What `dfkd` does with a job, its flags and its errors."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_command import COMMANDS
from tests.commandline import PREPARED, ROOT, environment, error_line

FAILING = """
from dfkd_command import main
from dfkd_keras.cli import inspect
from dfkd_keras.utils.errors import InvalidInputError

def fail():
    raise {error}

inspect.run = fail
main("inspect")
"""


def run(folder, code, *arguments):
    """Runs code in a process of its own, in which all that commands import is imported."""
    (folder / "program.py").write_text(code)
    command = [sys.executable, str(folder / "program.py"), *arguments]
    return PREPARED.run(command, folder, environment(), timeout=120)


@pytest.mark.parametrize("error", ["ValueError('plain bug')", "TypeError('plain bug')", "OSError('plain bug')"])
def test_a_bug_shows_its_traceback_and_where_to_report_it(tmp_path, error):
    process = run(tmp_path, FAILING.format(error=error))
    lines = process.stderr.splitlines()
    assert process.returncode == 1
    assert "Traceback (most recent call last):" in lines and f"    raise {error}" in lines
    assert "This is a bug in dfkd_keras, or in code of your own" in lines[-1] and "report it as an issue" in lines[-1]


def test_an_error_of_the_packages_own_checks_is_one_line(tmp_path):
    process = run(tmp_path, FAILING.format(error="InvalidInputError('batch_size=7 is odd:\\n use 8.')"))
    assert error_line(process) == "error: batch_size=7 is odd: use 8."
    assert "bug" not in process.stderr


def test_ctrl_c_is_one_line_in_any_phase_and_ends_the_process_as_a_signal_does(tmp_path):
    importing = f"import dfkd_command, sys\nsys.path.insert(0, {str(tmp_path)!r})\ndfkd_command.main('train')\n"
    (tmp_path / "dfkd_keras").mkdir()
    (tmp_path / "dfkd_keras" / "__init__.py").write_text("raise KeyboardInterrupt")
    process = subprocess.run([sys.executable, "-c", importing], cwd=ROOT, capture_output=True, text=True, check=False)
    told = "stopped by Ctrl-C; if this was a run, the same command resumes it."
    assert (process.returncode, process.stderr.split("\n")) == (-signal.SIGINT, ["", told, ""])
    assert run(tmp_path, FAILING.format(error="KeyboardInterrupt")).stderr.split("\n")[-2:] == [told, ""]


def test_a_tilde_after_an_equals_sign_is_the_home_folder(tmp_path):
    code = FAILING.format(error="InvalidInputError(str(inspect.FLAGS.student))")
    process = run(tmp_path, code, "--student=~/student.keras")
    assert error_line(process) == f"error: {Path.home()}/student.keras"


def test_a_reader_that_leaves_early_is_no_bug(tmp_path):
    process = run(tmp_path, FAILING.format(error="BrokenPipeError()"))
    assert (process.returncode, process.stderr) == (1, "")


def test_a_bug_in_code_of_the_users_own_is_not_an_incomplete_configuration(tmp_path):
    (tmp_path / "mine.py").write_text("import gin\n\n@gin.register\ndef broken():\n    raise TypeError('of my own')\n")
    (tmp_path / "mine.gin").write_text('import mine\ninclude "rdskd.gin"\nExperiment.task = @broken()\n')
    code = 'from dfkd_command import main\nmain("train")'
    process = run(tmp_path, code, "--gin_file=mine.gin", "--run_dir=run")
    assert process.returncode == 1
    assert "Traceback" in process.stderr and "TypeError: of my own" in process.stderr
    assert not (tmp_path / "run").exists()


def test_a_late_signal_does_not_change_the_exit_code(tmp_path):
    code = """
import atexit, os, signal
from dfkd_command import main
from dfkd_keras.cli import inspect

atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))
inspect.run = lambda: print("done")
main("inspect")
"""
    process = run(tmp_path, code)
    assert (process.returncode, process.stdout) == (0, "done\n"), process.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_its_flags_and_no_others(tmp_path, command):
    process = run(tmp_path, f"from dfkd_command import main\nmain({command!r})", "--help")
    assert process.returncode == 0, process.stderr
    assert f"dfkd {command} " in process.stdout
    assert ("--gin_file" in process.stdout) == (command not in ("distill", "serve-client"))
    assert ("--[no]resume" in process.stdout) == (command in ("distill", "train"))


def test_the_overview_names_every_command_without_importing_keras():
    code = "import sys, dfkd_command; dfkd_command.main(); assert not {'keras', 'tensorflow'} & set(sys.modules)"
    for arguments in ([], ["--help"]):
        process = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        assert all(f"\n  {command} " in process.stdout for command in COMMANDS)


def test_an_unknown_command_is_one_line():
    command = [sys.executable, str(ROOT / "dfkd_command.py"), "trian", "--gin_file=rdskd.gin"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "'trian' is not a command of dfkd: use one of distill, train, " in error_line(process)


def test_what_tensorflow_says_when_it_is_imported_is_left_out_and_why_it_ended_the_process_is_not():
    code = """
import os
from dfkd_command import without_chatter

with without_chatter():
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\nI0000 00:00:17 port.cc] oneDNN\\n")
os.write(2, b"shown\\n")
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    os.write(2, b"alone\\n")
with without_chatter():
    os.write(2, b"first\\n")
os.write(2, b"then\\n")
with without_chatter():
    os.write(2, b"I0000 00:00:17 cpu.cc] AVX\\nF0000 00:00:17 cpu.cc] needs AVX\\n")
    os.abort()
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGABRT
    assert process.stderr.splitlines() == ["shown", "alone", "first", "then", "F0000 00:00:17 cpu.cc] needs AVX"]
