"""Commands of `dfkd` as processes of their own, which neither share memory with each other nor fail together."""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

import dfkd_keras
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils.files import translate_write_errors

TRAINED = "teachers"  # the folder of the teachers that a suite trains, in its own
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
            output = opened.enter_context(open(log, "a", encoding="utf-8"))
        # By its path it runs where nothing is installed, and modules of the working folder do not hide Python's.
        command = [sys.executable, str(LAUNCHER), *arguments]
        process = opened.enter_context(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))
        try:
            return process.wait() == 0
        except Preempted:
            process.terminate()  # it saves, which is waited for
            raise


def absence_of_teacher(name: str, path: Path, recipe: Sequence[str]) -> str | None:
    """Returns why there is no teacher, in words, after training it if it has a recipe; None if there is one.

    Of several suites that share a folder, one trains it, and the others wait.

    Args:
        name: String. What to call it.
        path: `Path`. Its file.
        recipe: Sequence of strings. Gin files that train it, none if it is only given.

    Raises:
        Preempted: As `run_command`.
        StorageError: As `run_command`.
    """
    if recipe and not path.exists():
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                print(f"{name}: training the teacher ...", flush=True)
                log, files = path.with_suffix(".log"), [f"--gin_file={file}" for file in recipe]
                if not run_command(["train-teacher", *files, f"--output={path}"], log):
                    return f"the training of its teacher failed, see {log}"
    return None if path.exists() else f"its teacher {path} does not exist"
