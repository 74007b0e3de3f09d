"""Suites of teachers times variants of `dfkd distill`, each measured on the teacher's real images."""

import dataclasses
import functools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.suites.cell import Cell
from dfkd_keras.experiment.suites.process import absence_of_teacher
from dfkd_keras.experiment.suites.suite import Progress, Suite, named
from dfkd_keras.experiment.suites.table import write_table
from dfkd_keras.experiment.suites.teachers import SuiteTeacher
from dfkd_keras.experiment.suites.truth import Truth
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError


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
class DistilledTeacher(Cell):
    """One run of such a suite: a teacher, a variant and a seed."""

    teacher: SuiteTeacher
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """String. The path of its run in the suite's folder."""
        return f"{self.teacher.name}/{self.variant.name.replace(':', '-')}-seed{self.seed}"

    @property
    def subject(self) -> str:
        """String. The name of the teacher."""
        return self.teacher.name

    def absence(self) -> str | None:
        """Returns why its teacher or the teacher's images are absent; see `Cell.absence`."""
        if problem := absence_of_teacher(self.teacher.name, self.teacher.path, self.teacher.recipe):
            return problem
        try:
            _truth_of(self.teacher)
        except NotFoundError as error:
            return str(error)
        return None

    def command(self, run_dir: Path, minutes: float) -> list[str]:
        """Returns the subcommand of `dfkd` that makes it, with its flags."""
        given = {"teacher": self.teacher.path, "minutes": minutes, "seed": self.seed, "run_dir": run_dir}
        return ["distill", *(f"--{name}={value}" for name, value in given.items()), *self.variant.flags]

    def figures(self, run: RunDirectory) -> dict[str, Any]:
        """Returns the truth about its student, and what the run says of itself, by `table.COLUMNS`."""
        truth = _truth_of(self.teacher)
        names = {"teacher": self.teacher.name, "variant": self.variant.name, "seed": self.seed}
        measured = {"batch_norms": truth.batch_norms, **truth.measure(run.student)}
        return names | measured | _claims(run.read_json(run.results))


@dataclasses.dataclass(frozen=True)
class TeacherSuite(Suite):
    """Teachers times variants.

    Args:
        name: String.
        teachers: Tuple of `SuiteTeacher`s.
        variants: Tuple of `Variant`s.
        minutes: Float. Training time of each run. Defaults to 5.
        seeds: Tuple of integers. Defaults to `(0,)`.

    Raises:
        InvalidInputError: If two teachers have the same name.
    """

    name: str
    teachers: tuple[SuiteTeacher, ...]
    variants: tuple[Variant, ...]
    minutes: float = 5.0
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self):
        names = [teacher.name for teacher in self.teachers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InvalidInputError(f"two teachers are named {twice.pop()!r}: rename the one in --teachers.")

    def only(self, subjects: Collection[str] = (), variants: Collection[str] = ()) -> "TeacherSuite":
        """Returns the part of the suite with these teachers and variants; see `Suite.only`."""
        kept = named("only", subjects, [teacher.name for teacher in self.teachers])
        made = named("variants", variants, [variant.name for variant in self.variants])
        return dataclasses.replace(
            self,
            teachers=tuple(teacher for teacher in self.teachers if teacher.name in kept),
            variants=tuple(variant for variant in self.variants if variant.name in made),
        )

    def cells(self, seeds: Sequence[int]) -> list[Cell]:
        """Returns its runs, those of a teacher one after the other."""
        return [
            DistilledTeacher(teacher, variant, seed)
            for teacher in self.teachers
            for variant in self.variants
            if variant.teachers is None or teacher.name in variant.teachers
            for seed in seeds[: variant.max_seeds]
        ]

    def write(self, folder: Path, progress: Progress, minutes: float) -> None:
        """Writes `comparison.csv`, `comparison.md` and `comparison.png`."""
        write_table(folder, progress.rows, progress.failed)


@functools.lru_cache(maxsize=1)  # the teachers of a suite do not fit into memory together
def _truth_of(teacher: SuiteTeacher) -> Truth:
    keras.backend.clear_session()
    return Truth(teacher)


def _claims(results: dict[str, Any]) -> dict[str, Any]:
    """Returns what a run says of itself."""
    teacher, student = results["teacher_parameters"], results["student_parameters"]
    return {
        "estimated_agreement": results.get(ESTIMATED_AGREEMENT),
        "teacher_parameters": teacher,
        "student_parameters": student,
        "student_share": student / teacher if teacher else None,
    }
