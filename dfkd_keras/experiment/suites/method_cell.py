"""One run of a suite of methods: a method on a task, by `dfkd train`, and its figures."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.presets import experiment_of
from dfkd_keras.experiment.reporting.comparison import Run, metric_of
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.suites.cell import Cell
from dfkd_keras.experiment.suites.process import TRAINED, absence_of_teacher
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import NotFoundError
from dfkd_keras.utils.text import file_name

CORES = 2  # whose minutes a suite counts
COPIED = ("agreement", "student_updates", "synthesis_updates", "synthetic_images", "buffer_images", "stopped_by")


@dataclasses.dataclass(frozen=True)
class SuiteTask:
    """A teacher, a student and data, on which methods are compared.

    Args:
        name: String. Its name, which its folder has.
        files: Sequence of strings. Its gin files, which come after the method's.
        column: String. The column of the tables that it is in. Defaults to None, its name.
        teacher: String. The path of its teacher, in which environment variables are replaced. Defaults to None, for
            the one that its recipe trains.
    """

    name: str
    files: Sequence[str]
    column: str | None = None
    teacher: str | None = None


@dataclasses.dataclass(frozen=True)
class SuiteMethod:
    """A method, and what is changed of it.

    Args:
        name: String. Its name, with which the names of its folders begin.
        file: String. The method's gin file.
        bindings: Sequence of strings. Gin bindings. Defaults to none.
        tasks: Sequence of strings. The tasks that it is run on. Defaults to None, all.
        row: String. The row of the tables that it is in. Defaults to None, its name.
        column: String. The column of the tables that it is in. Defaults to None, that of the task.
        max_seeds: Integer. How many of the seeds it is run with at most. Defaults to None, all.
    """

    name: str
    file: str
    bindings: Sequence[str] = ()
    tasks: Sequence[str] | None = None
    row: str | None = None
    column: str | None = None
    max_seeds: int | None = None


@dataclasses.dataclass(frozen=True)
class TrainedMethod(Cell):
    """One run of such a suite: a task, a method and a seed."""

    task: SuiteTask
    method: SuiteMethod
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """String. The path of its run in the suite's folder."""
        return f"{file_name(self.task.name)}/{file_name(self.method.name)}-seed{self.seed}"

    @property
    def subject(self) -> str:
        """String. The name of the task."""
        return self.task.name

    @property
    def teacher(self) -> Path:
        """`Path`. The file of its teacher, given or trained."""
        given = self.task.teacher and os.path.expandvars(self.task.teacher)
        return Path(given or self.folder / TRAINED / f"{file_name(self.task.name)}.keras").absolute()

    @property
    def files(self) -> list[str]:
        """List of strings. Its gin files."""
        return [self.method.file, *self.task.files]

    def absence(self) -> str | None:
        """Returns why its teacher or its test images are absent; see `Cell.absence`."""
        if self.task.teacher and not self.teacher.exists():
            return f"its teacher {self.teacher} does not exist"
        try:
            experiment_of(self.files).task.test_split()
        except NotFoundError as error:
            return single_line(error)
        return absence_of_teacher(self.task.name, self.teacher, () if self.task.teacher else self.files)

    def command(self, run_dir: Path, minutes: float) -> list[str]:
        """Returns the subcommand of `dfkd` that makes it, with its flags."""
        bindings = [*self.method.bindings, f"Teacher.path = {str(self.teacher)!r}"]
        given = {"seed": self.seed, "run_dir": run_dir, "cpu_minutes": CORES * minutes}
        return [
            "train",
            *(f"--gin_file={file}" for file in self.files),
            *(f"--gin_param={binding}" for binding in bindings),
            *(f"--{name}={value}" for name, value in given.items()),
        ]

    def figures(self, run: RunDirectory) -> dict[str, Any]:
        """Returns the accuracy, the updates, the images and the time of its run, and its curve.

        The curve has the training's CPU seconds and the accuracy at every evaluation, whose own time does not count.
        """
        results, curve, history = Run.read(run.path, clock="seconds_cpu")
        metric = metric_of(results)
        accuracies = {
            "accuracy": results[f"student_{metric}"],
            "best_accuracy": results[f"student_{metric}_best"],
            "teacher_accuracy": results[f"teacher_{metric}"],
        }
        return {
            **self._place(),
            **accuracies,
            **{name: results[name] for name in COPIED},
            "training_seconds": sum(row.get("seconds", 0.0) for row in history),
            "training_cpu_seconds": sum(row.get("seconds_cpu", 0.0) for row in history),
            "curve": [[round(seconds, 1), round(accuracy, 5)] for seconds, accuracy in curve],
        }

    def _place(self) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "method": self.method.name,
            "seed": self.seed,
            "row": self.method.row or self.method.name,
            "column": self.method.column or self.task.column or self.task.name,
        }
