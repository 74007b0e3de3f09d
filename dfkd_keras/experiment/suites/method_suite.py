"""Suites of methods times tasks, each run a `dfkd train` of the same training time, as a gin file describes them."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin

from dfkd_keras.experiment.configuration import available, configuration_folders
from dfkd_keras.experiment.presets import gin_configuration
from dfkd_keras.experiment.suites.cell import Cell
from dfkd_keras.experiment.suites.method_cell import SuiteMethod, SuiteTask, TrainedMethod
from dfkd_keras.experiment.suites.method_report import REPORT, Layout, content_of, write_report
from dfkd_keras.experiment.suites.suite import Progress, Suite, named
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError

FOLDER = "suites/"  # of gin_configs/


@gin.register(module="dfkd_keras")
@dataclasses.dataclass(frozen=True)
class MethodSuite(Suite):
    """Methods times tasks.

    Args:
        name: String.
        title: String. What is compared, for the report.
        tasks: Dictionary by name of dictionaries, the other arguments of `SuiteTask`. The cheapest come first.
        methods: Dictionary by name of dictionaries, the other arguments of `SuiteMethod`.
        minutes: Float. Training time of each run. Defaults to 10.
        seeds: Sequence of integers. Defaults to `(0,)`.
        layout: `Layout` of the report. Defaults to `Layout()`.
        folder: `Path`. The suite's folder, in which teachers are trained. Defaults to the working folder.

    Raises:
        InvalidInputError: If a task or a method has an unknown argument or lacks one, or a task is unknown.
    """

    name: str
    title: str
    tasks: Mapping[str, Mapping[str, Any]]
    methods: Mapping[str, Mapping[str, Any]]
    minutes: float = 10.0
    seeds: Sequence[int] = (0,)
    layout: Layout = Layout()  # noqa: RUF009 - immutable
    folder: Path = Path()

    def __post_init__(self):
        self.cells(self.seeds)

    def only(self, subjects: Collection[str] = (), variants: Collection[str] = ()) -> "MethodSuite":
        """Returns the part of the suite with these tasks and methods; see `Suite.only`."""
        tasks, methods = named("only", subjects, self.tasks), named("variants", variants, self.methods)
        described = {
            name: fields | {"tasks": [task for task in fields.get("tasks") or self.tasks if task in tasks]}
            for name, fields in self.methods.items()
            if name in methods
        }
        return dataclasses.replace(self, tasks={name: self.tasks[name] for name in tasks}, methods=described)

    def cells(self, seeds: Sequence[int]) -> list[Cell]:
        """Returns its runs: first one seed of everything, and of that the tasks in their order."""
        tasks = {name: _made(SuiteTask, name, fields) for name, fields in self.tasks.items()}
        methods = [_made(SuiteMethod, name, fields) for name, fields in self.methods.items()]
        for method in methods:
            if unknown := {*(method.tasks or ())} - {*tasks}:
                raise InvalidInputError(
                    f"method {method.name!r} of suite {self.name!r} names the task {unknown.pop()!r}: use some of "
                    f"{', '.join(tasks)}."
                )
        return [
            TrainedMethod(task, method, seed, self.folder)
            for turn, seed in enumerate(seeds)
            for task in tasks.values()
            for method in methods
            if method.tasks is None or task.name in method.tasks
            if method.max_seeds is None or turn < method.max_seeds
        ]

    def write(self, folder: Path, progress: Progress, minutes: float) -> None:
        """Writes `comparison.json`, `comparison.md` and `comparison.png`."""
        rows = sorted(progress.rows, key=self._place)
        described = {"suite": self.name, "title": self.title, "minutes": minutes, "missing": progress.missing}
        write_report(folder, REPORT, content_of(described, self.layout, rows, progress.failed))

    def _place(self, row: Mapping[str, Any]) -> tuple[int, int, int]:
        return _position([*self.tasks], row["task"]), _position([*self.methods], row["method"]), row["seed"]


def method_suites() -> list[str]:
    """Returns the names of the suites that come with the package."""
    names = [name for name in available(configuration_folders()) if name.startswith(FOLDER)]
    return [name.removeprefix(FOLDER).removesuffix(".gin") for name in names]


def method_suite(name: str, folder: Path) -> MethodSuite:
    """Returns the suite of a gin file.

    Args:
        name: String. One of `method_suites()`, or the path of a gin file.
        folder: `Path`. The suite's folder.

    Raises:
        NotFoundError: If there is no such file.
        InvalidInputError: If it cannot be read, or describes no suite.
    """
    file = f"{FOLDER}{name}.gin" if name in method_suites() else name
    with gin_configuration([file], []):
        try:
            suite = gin.get_configurable("MethodSuite")()
        except TypeError as error:
            raise InvalidInputError(
                f"{file!r} does not describe a suite ({single_line(error)[:200]}): bind MethodSuite.name, .title, "
                ".tasks and .methods as the files of gin_configs/suites/ do."
            ) from error
    return dataclasses.replace(suite, folder=folder)


def _made(kind: type, name: str, fields: Mapping[str, Any]) -> Any:
    try:
        return kind(name, **fields)
    except TypeError as error:
        raise InvalidInputError(f"{name!r} is not described as a {kind.__name__} ({single_line(error)}).") from error


def _position(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
