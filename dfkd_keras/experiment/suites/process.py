"""Commands of `dfkd` as processes of their own, which neither share memory with each other nor fail together."""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dfkd_keras
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils.files import translate_write_errors

LAUNCHER = Path(dfkd_keras.__file__).parent.parent / "dfkd_command.py"


def run_command(arguments: Sequence[str], log: Path) -> bool:
    """Runs a subcommand of `dfkd` to its end, and returns whether it succeeded.

    Args:
        arguments: Sequence of strings. The subcommand and its flags.
        log: `Path`. File that its output is added to.

    Raises:
        Preempted: If this process is asked to stop; the command is asked too, and waited for.
        StorageError: If the log cannot be written.
    """
    with contextlib.ExitStack() as opened:
        with translate_write_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            output = opened.enter_context(open(log, "a"))
        # By its path it runs where nothing is installed, and modules of the working folder do not hide Python's.
        command = [sys.executable, str(LAUNCHER), *arguments]
        process = opened.enter_context(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))
        try:
            return process.wait() == 0
        except Preempted:
            process.terminate()  # it saves, which is waited for
            raise
