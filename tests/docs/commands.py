"""Running the shell commands of a page."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.commandline import PREPARED, environment

SHORTENED = {"train-teacher": "--gin_param=TeacherRecipe.epochs = 1"}  # what follows needs no good teacher
CALLS = re.compile(r"(?:(?:dfkd|python scripts/\w+\.py) [^\n|>&;$]*\n)+")  # and nothing else


def run_commands(code, checkout, cwd):
    """Runs a block of commands as a user does.

    Args:
        code: String. Commands, each ending in a line break.
        checkout: Path. The clone whose `dfkd` is meant.
        cwd: Path. The folder that the commands run in.
    """
    calls = code.replace("\\\n", " ")
    if not CALLS.fullmatch(calls):
        return run_in_shell(code, checkout, cwd)
    for line in calls.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        shorter = [SHORTENED[name] for name in arguments[:1] if name in SHORTENED]
        run_prepared(cwd, *[checkout / "dfkd_command.py"] * (program == "dfkd"), *arguments, *shorter)


def run_prepared(cwd, *arguments):
    process = PREPARED.run([sys.executable, *map(str, arguments)], cwd, environment(), timeout=600)
    assert process.returncode == 0, process.stderr


def run_in_shell(code, checkout, cwd):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=cwd,
        env=environment(PATH=path, PYTHONPATH=checkout),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr
