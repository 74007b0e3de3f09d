"""The process that runs scripts for the tests."""

import subprocess
import sys

import pytest

from tests.commandline import environment
from tests.prepared import Prepared


def test_a_script_that_comes_to_no_end_is_stopped_and_the_next_one_runs(tmp_path):
    (tmp_path / "sleeper.py").write_text("import time\nprint('asleep', flush=True)\ntime.sleep(600)")
    (tmp_path / "leaver.py").write_text("import os, sys\nprint(os.getcwd())\nsys.exit(int(sys.argv[1]))")
    prepared, arguments = Prepared(imported=["string"]), (tmp_path, environment())
    ready = prepared.run([sys.executable, str(tmp_path / "leaver.py"), "0"], *arguments, timeout=120)
    assert ready.returncode == 0  # its imports are made, so that the sleeper's seconds are its own
    with pytest.raises(subprocess.TimeoutExpired) as stopped:
        prepared.run([sys.executable, str(tmp_path / "sleeper.py")], *arguments, timeout=3)
    assert stopped.value.output == "asleep\n"
    process = prepared.run([sys.executable, str(tmp_path / "leaver.py"), "3"], *arguments, timeout=120)
    assert (process.returncode, process.stdout) == (3, f"{tmp_path}\n")
    prepared.stop()
