"""One run of a suite, made in a process of its own, and its figures."""

import abc
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.suites.process import LAUNCHER, run_command
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils.errors import DFKDError


class Cell(abc.ABC):
    """Base class of the runs of a suite.

    Attributes:
        name: String. The path of its run in the suite's folder, `SUBJECT/VARIANT-seedN`.
        subject: String. The name of what it is about, a teacher or a task, which is absent for all of its cells or
            for none.
    """

    name: str
    subject: str

    @abc.abstractmethod
    def absence(self) -> str | None:
        """Returns why its subject is absent, in words, after training the teacher if it has a recipe; None if not."""

    @abc.abstractmethod
    def command(self, run_dir: Path, minutes: float) -> list[str]:
        """Returns the subcommand of `dfkd` that makes it, with its flags."""

    @abc.abstractmethod
    def figures(self, run: RunDirectory) -> dict[str, Any]:
        """Returns what is measured of its run, which is complete, by name."""


def figures_file(folder: Path, cell: Cell) -> Path:
    """Returns the path of the figures of a finished run."""
    return folder / f"{cell.name}.json"


def make_cell(cell: Cell, folder: Path, minutes: float) -> dict[str, Any]:
    """Makes one run.

    Args:
        cell: `Cell`.
        folder: `Path`. Folder of the suite.
        minutes: Float. Training time.

    Returns:
        Dictionary of its figures: those of the cell, the "seconds" and "cpu_seconds" of its process, and the "commit"
        of the package, None if that is not known.

    Raises:
        DFKDError: If the run failed.
    """
    run, commit = RunDirectory(folder / cell.name), _commit()
    log, started, cpu_started = folder / f"{cell.name}.log", time.monotonic(), _cpu_seconds_of_children()
    succeeded = run_command(cell.command(run.path, minutes), log)
    seconds = {"seconds": time.monotonic() - started, "cpu_seconds": _cpu_seconds_of_children() - cpu_started}
    if succeeded and not run.results.exists():
        raise Preempted(f"{cell.name} was stopped by SIGTERM: the same command resumes it.")
    if not succeeded:
        raise DFKDError(f"see {log}")
    return cell.figures(run) | seconds | {"commit": commit}


def _cpu_seconds_of_children() -> float:
    """Returns the CPU time of the processes that this one started and waited for; 0 on systems that do not tell it."""
    times = os.times()
    return times.children_user + times.children_system


def _commit() -> str | None:
    """Returns the commit of the package, marked if files differ from it; None if it is not in a Git repository."""
    if not (LAUNCHER.parent / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=LAUNCHER.parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
