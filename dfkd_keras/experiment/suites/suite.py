"""A suite, teachers times variants times seeds, and the making of what is missing of it."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.experiment.suites.cell import Cell, Variant, make_cell
from dfkd_keras.experiment.suites.process import run_command
from dfkd_keras.experiment.suites.table import write_table
from dfkd_keras.experiment.suites.teachers import SuiteTeacher
from dfkd_keras.experiment.suites.truth import Truth
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, NotFoundError
from dfkd_keras.utils.files import atomic_write, translate_write_errors


@dataclasses.dataclass(frozen=True)
class Suite:
    """Teachers times variants.

    Args:
        name: String.
        teachers: Tuple of `SuiteTeacher`s.
        variants: Tuple of `Variant`s.

    Raises:
        InvalidInputError: If two teachers have the same name.
    """

    name: str
    teachers: tuple[SuiteTeacher, ...]
    variants: tuple[Variant, ...]

    def __post_init__(self):
        names = [teacher.name for teacher in self.teachers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InvalidInputError(f"two teachers are named {twice.pop()!r}: rename the one in --teachers.")

    def only(self, teachers: Collection[str] = (), variants: Collection[str] = ()) -> "Suite":
        """Returns the part of the suite with these teachers and variants; all of them where none is named.

        Raises:
            InvalidInputError: If one is unknown.
        """
        return dataclasses.replace(
            self,
            teachers=_named("only", teachers, self.teachers),
            variants=_named("variants", variants, self.variants),
        )

    def cells(self, teacher: SuiteTeacher, seeds: Sequence[int]) -> Iterator[Cell]:
        """Yields the runs of a teacher."""
        for variant in self.variants:
            if variant.teachers is None or teacher.name in variant.teachers:
                yield from (Cell(teacher, variant, seed) for seed in seeds[: variant.max_seeds])


def run_suite(suite: Suite, folder: Path, seeds: Sequence[int], minutes: float) -> None:
    """Makes the runs that are missing, and writes the table and the plot after each.

    Args:
        suite: `Suite`.
        folder: `Path`. Folder of the runs, the tables and the plot.
        seeds: Sequence of integers.
        minutes: Float. Training time of each run.

    Raises:
        InvalidInputError: If the folder has runs of another suite or of another length.
        DFKDError: If a run failed. The others are made nevertheless.
    """
    _check_settings(folder, {"suite": suite.name, "minutes": minutes})
    failed: dict[str, str] = {}
    for teacher in suite.teachers:
        if problem := _absence(teacher):
            print(f"{teacher.name}: skipped, {problem}")
            continue
        missing = [cell for cell in suite.cells(teacher, seeds) if not _figures_file(folder, cell).exists()]
        try:
            for name, problem in _make_cells(missing, folder, minutes):
                failed |= {name: problem} if problem else {}
                _write(folder, failed)
        except NotFoundError as error:
            print(f"{teacher.name}: skipped, {error}")
    _write(folder, failed)
    print(f"see {folder}/comparison.md, .csv and .png")
    if failed:
        raise DFKDError("these runs failed: " + "; ".join(f"{name} ({problem})" for name, problem in failed.items()))


def finished_rows(folder: Path) -> list[dict[str, Any]]:
    """Returns the figures of all runs of a folder that are complete."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*/*-seed*.json"))]


def _write(folder: Path, failed: dict[str, str]) -> None:
    with translate_write_errors(folder):
        write_table(folder, finished_rows(folder), failed)


def _make_cells(cells: Sequence[Cell], folder: Path, minutes: float) -> Iterator[tuple[str, str | None]]:
    """Makes runs of one teacher; yields the name of each, and what is wrong if it failed."""
    truth = Truth(cells[0].teacher) if cells else None
    for cell in cells:
        print(f"{cell.name} ...", flush=True)
        file = _figures_file(folder, cell)
        try:
            figures = make_cell(cell, folder, minutes, truth)
            with translate_write_errors(file), atomic_write(file) as aside:
                aside.write_text(json.dumps(figures, indent=2) + "\n")
            yield cell.name, None
        except Exception as error:  # the other runs of a long suite are made nevertheless
            yield cell.name, single_line(error).removesuffix(".")
    keras.backend.clear_session()


def _figures_file(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"


def _absence(teacher: SuiteTeacher) -> str | None:
    """Returns why there is no such teacher, after training it if it has a recipe; None if there is one."""
    if not teacher.path.exists() and teacher.recipe:
        print(f"{teacher.name}: training it ...", flush=True)
        log, files = teacher.path.with_suffix(".log"), [f"--gin_file={name}" for name in teacher.recipe]
        if not run_command(["train-teacher", *files, f"--output={teacher.path}"], log):
            return f"its training failed, see {log}"
    return None if teacher.path.exists() else f"{teacher.path} does not exist"


def _named(flag: str, names: Collection[str], parts: tuple) -> tuple:
    known = [part.name for part in parts]
    if unknown := [name for name in names if name not in known]:
        raise InvalidInputError(f"--{flag}={unknown[0]} is not in this suite: use some of {', '.join(known)}.")
    return tuple(part for part in parts if not names or part.name in names)


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Raises InvalidInputError if a folder has runs of other settings, which it keeps from then on."""
    kept = folder / "suite.json"
    if not kept.exists():
        with translate_write_errors(folder), atomic_write(kept) as aside:
            aside.write_text(json.dumps(settings) + "\n")
    elif (earlier := json.loads(kept.read_text())) != settings:
        made = ", ".join(f"--{name}={value}" for name, value in earlier.items())
        raise InvalidInputError(f"{str(folder)!r} has runs of {made}: give these, or choose another --out_dir.")
