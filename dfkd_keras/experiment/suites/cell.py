"""One run of a suite, made in a process of its own, and the truth about its student."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.suites.process import run_command
from dfkd_keras.experiment.suites.teachers import SuiteTeacher
from dfkd_keras.experiment.suites.truth import Truth
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils.errors import DFKDError


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to distill.

    Args:
        name: String. Its name in tables, such as "slim:0.25".
        flags: Tuple of strings. The flags of `dfkd distill` that make it.
        teachers: Tuple of strings. The teachers that it is made for. Defaults to None, all.
        max_seeds: Integer. How many of the seeds it is made with at most. Defaults to None, all.
    """

    name: str
    flags: tuple[str, ...] = ()
    teachers: tuple[str, ...] | None = None
    max_seeds: int | None = None


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a suite: a teacher, a variant and a seed."""

    teacher: SuiteTeacher
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """String. The path of its run in the suite's folder."""
        return f"{self.teacher.name}/{self.variant.name.replace(':', '-')}-seed{self.seed}"

    def command(self, run_dir: Path, minutes: float) -> list[str]:
        """Returns the subcommand of `dfkd` that makes it, with its flags."""
        given = {"teacher": self.teacher.path, "minutes": minutes, "seed": self.seed, "run_dir": run_dir}
        return ["distill", *(f"--{name}={value}" for name, value in given.items()), *self.variant.flags]


def make_cell(cell: Cell, folder: Path, minutes: float, truth: Truth) -> dict[str, Any]:
    """Makes one run.

    Args:
        cell: `Cell`.
        folder: `Path`. Folder of the suite.
        minutes: Float. Training time.
        truth: `Truth` about its teacher.

    Returns:
        Dictionary of its figures, by `table.COLUMNS`.

    Raises:
        DFKDError: If the run failed.
    """
    path = folder / cell.name
    log, started, cpu_started = path.with_name(path.name + ".log"), time.monotonic(), _cpu_seconds_of_children()
    succeeded = run_command(cell.command(path, minutes), log)
    seconds = {"seconds": time.monotonic() - started, "cpu_seconds": _cpu_seconds_of_children() - cpu_started}
    run = RunDirectory(path)
    if succeeded and not run.results.exists():
        raise Preempted(f"{cell.name} was stopped by SIGTERM: the same command resumes it.")
    if not succeeded:
        raise DFKDError(f"see {log}")
    names = {"teacher": cell.teacher.name, "variant": cell.variant.name, "seed": cell.seed}
    measured = {"batch_norms": truth.batch_norms, **truth.measure(run.student)}
    return names | measured | _claims(run.read_json(run.results)) | seconds


def _claims(results: dict[str, Any]) -> dict[str, Any]:
    """Returns what a run says of itself."""
    teacher, student = results["teacher_parameters"], results["student_parameters"]
    return {
        "estimated_agreement": results.get(ESTIMATED_AGREEMENT),
        "teacher_parameters": teacher,
        "student_parameters": student,
        "student_share": student / teacher if teacher else None,
    }


def _cpu_seconds_of_children() -> float:
    """Returns the CPU time of the processes that this one started and waited for; 0 on systems that do not tell it."""
    times = os.times()
    return times.children_user + times.children_system
