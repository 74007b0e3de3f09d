"""Running the commands as a user does, by their scripts."""

import os
import subprocess
import sys

from tests.prepared import ROOT, Prepared

PREPARED = Prepared()
# On JAX, compiling takes most of the time of a test: without most optimizations, half of it.
ALWAYS = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
READ_LATE = {"TFDS_DATA_DIR"}


def command(name, *arguments):
    return [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]


def environment(**variables):
    """Returns the environment of a process that a test starts, the same for every test."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    return {**inherited, **ALWAYS, **{key: str(value) for key, value in variables.items()}}


def script(name, *arguments, cwd, timeout=300, **variables):
    """Runs a script to its end and returns the finished process, its output as text.

    With environment variables of its own, it is a process of its own, unless they are read after the imports.
    """
    variables = {key: str(value) for key, value in variables.items()}
    if {*variables} <= READ_LATE:
        return PREPARED.run(command(name, *arguments), cwd, environment(), timeout, **variables)
    return subprocess.run(
        command(name, *arguments),
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def smoke(name, *arguments, **kwargs):
    """Runs a script on the smallest configuration."""
    return script(name, "--gin_file=rdskd.gin", "--gin_file=smoke.gin", *arguments, **kwargs)


def error_line(process):
    """Returns the one line that a failed script prints."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert process.returncode == 1, process.stderr
    assert len(lines) == 1, process.stderr
    assert "Traceback" not in process.stderr
    return lines[0]
