"""A suite, a list of runs, and the making of what is missing of it."""

import abc
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from dfkd_keras.experiment.suites.cell import Cell, figures_file, make_cell
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, NotFoundError
from dfkd_keras.utils.files import atomic_write, is_temporary, read_json, translate_write_errors


class Shard(NamedTuple):
    """Every N-th run of a suite, for machines that share its folder.

    Attributes:
        number: Integer from 1 to `count`. The shard.
        count: Integer. How many shards there are, N.
    """

    number: int = 1
    count: int = 1

    def of(self, cells: Sequence[Cell]) -> Sequence[Cell]:
        """Returns the cells of the shard."""
        return cells[self.number - 1 :: self.count]


class Progress(NamedTuple):
    """What has come of a suite so far.

    Attributes:
        rows: List of dictionaries. The figures of each finished run in the folder.
        failed: Dictionary of strings. What is wrong with the runs that failed, by name.
        missing: Integer. How many runs are neither finished nor failed.
    """

    rows: list[dict[str, Any]]
    failed: dict[str, str]
    missing: int


class Suite(abc.ABC):
    """Base class of suites.

    Attributes:
        name: String.
        minutes: Float. Training time of each run, unless the user says otherwise.
        seeds: Tuple of integers. The seeds, likewise.
    """

    name: str
    minutes: float
    seeds: tuple[int, ...]

    @abc.abstractmethod
    def only(self, subjects: Collection[str] = (), variants: Collection[str] = ()) -> Self:
        """Returns the part of the suite with these subjects and variants; all of them where none is named.

        Raises:
            InvalidInputError: If one is unknown.
        """

    @abc.abstractmethod
    def cells(self, seeds: Sequence[int]) -> list[Cell]:
        """Returns its runs in the order in which they are made."""

    @abc.abstractmethod
    def write(self, folder: Path, progress: Progress, minutes: float) -> None:
        """Writes the tables and the plot of what is finished, `comparison.*`, to the folder."""


def run_suite(suite: Suite, folder: Path, seeds: Sequence[int], minutes: float, shard: Shard = Shard()) -> None:  # noqa: B008 - immutable
    """Makes the runs that are missing, and writes the tables and the plot after each.

    Args:
        suite: `Suite`.
        folder: `Path`. Folder of the runs, the tables and the plot.
        seeds: Sequence of integers.
        minutes: Float. Training time of each run.
        shard: `Shard`. Which runs to make. Defaults to all.

    Raises:
        InvalidInputError: If the folder has runs of another suite or of another length.
        DFKDError: If a run failed. The others are made nevertheless.
    """
    _check_settings(folder, {"suite": suite.name, "minutes": minutes})
    cells, failed = suite.cells(seeds), {}
    for cell in _present(shard.of([*cells]), folder):
        print(f"{cell.name} ...", flush=True)
        failed |= _make(cell, folder, minutes)
        _write(suite, folder, cells, failed, minutes)
    _write(suite, folder, cells, failed, minutes)
    print(f"see {folder}/comparison.md and .png")
    if failed:
        raise DFKDError("these runs failed: " + "; ".join(f"{name} ({problem})" for name, problem in failed.items()))


def report(suite: Suite, folder: Path, seeds: Sequence[int], minutes: float) -> None:
    """Writes the tables and the plot of the runs that are finished, and makes none; arguments as in `run_suite`."""
    if not finished_rows(folder):
        raise NotFoundError(f"{str(folder)!r} has no finished run of {suite.name}: name the folder by --out_dir.")
    _check_settings(folder, {"suite": suite.name, "minutes": minutes})
    _write(suite, folder, suite.cells(seeds), {}, minutes)


def finished_rows(folder: Path) -> list[dict[str, Any]]:
    """Returns the figures of all runs of a folder that are complete.

    Raises:
        InvalidInputError: If those of a run cannot be read.
    """
    files = [path for path in sorted(folder.glob("*/*-seed*.json")) if not is_temporary(path)]
    return [read_json(path, "remove it, and the same command writes it again") for path in files]


def named(flag: str, names: Collection[str], known: Collection[str]) -> list[str]:
    """Returns the known names that a flag asks for, all if it names none.

    Raises:
        InvalidInputError: If it names another one.
    """
    if unknown := [name for name in names if name not in known]:
        raise InvalidInputError(f"--{flag}={unknown[0]} is not in this suite: use some of {', '.join(known)}.")
    return [name for name in known if not names or name in names]


def _present(cells: Sequence[Cell], folder: Path) -> Iterator[Cell]:
    """Yields the cells that are not finished and whose subject is there; says once which subjects are absent."""
    absent: dict[str, str | None] = {}
    for cell in cells:
        if figures_file(folder, cell).exists():
            continue
        if cell.subject not in absent:
            absent[cell.subject] = _absence(cell)
            if absent[cell.subject]:
                print(f"{cell.subject}: skipped, {absent[cell.subject]}", flush=True)
        if not absent[cell.subject]:
            yield cell


def _absence(cell: Cell) -> str | None:
    try:
        return cell.absence()
    except Exception as error:  # a damaged teacher must not end a suite of many
        return single_line(error)


def _make(cell: Cell, folder: Path, minutes: float) -> dict[str, str]:
    """Makes a run and keeps its figures; returns what is wrong by its name if it failed."""
    file = figures_file(folder, cell)
    try:
        figures = make_cell(cell, folder, minutes)
        with translate_write_errors(file), atomic_write(file) as aside:
            aside.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    except Exception as error:  # the other runs of a long suite are made nevertheless
        return {cell.name: single_line(error).removesuffix(".")}
    return {}


def _write(suite: Suite, folder: Path, cells: Sequence[Cell], failed: dict[str, str], minutes: float) -> None:
    missing = [cell for cell in cells if cell.name not in failed and not figures_file(folder, cell).exists()]
    progress = Progress(finished_rows(folder), failed, len(missing))
    with translate_write_errors(folder):
        suite.write(folder, progress, minutes)


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Raises InvalidInputError if a folder has runs of other settings, which it keeps from then on."""
    kept = folder / "suite.json"
    if not kept.exists():
        with translate_write_errors(folder), atomic_write(kept) as aside:
            aside.write_text(json.dumps(settings) + "\n", encoding="utf-8")
    elif (earlier := read_json(kept, "restore it, or choose another --out_dir")) != settings:
        made = ", ".join(f"--{name}={value}" for name, value in earlier.items())
        raise InvalidInputError(f"{str(folder)!r} has runs of {made}: give these, or choose another --out_dir.")
