"""Loads the published configurations, the gin files that come with the package, from Python."""

import contextlib
import dataclasses
import difflib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gin

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.benchmark import Clock
from dfkd_keras.experiment.configuration import available, configuration_folders, configure
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.gin_bindings import given_bindings, restore_given
from dfkd_keras.experiment.plan import Plan
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.text import did_you_mean

FOLDERS = ("", "papers", "ablations", "baselines")  # of gin_configs/, whose files each describe an experiment


@dataclasses.dataclass(frozen=True)
class PresetExperiment(Experiment):
    """An experiment from gin files, whose configuration is gin's only while the experiment builds or runs something.

    Gin's configuration is global: it is read whenever a part is built, long after the experiment was loaded.

    Args:
        gin_files: Tuple of strings. The gin files, as `configure` takes them. Defaults to none.
        bindings: Tuple of strings. The bindings that override the files'. Defaults to none.
        composed: String. Bindings between both, as `configure` takes them. Defaults to "".
        configuration: String. The resulting configuration, as `gin.config_str()` returns it. Defaults to "".
    """

    gin_files: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    bindings: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    composed: str = dataclasses.field(default="", repr=False)
    configuration: str = dataclasses.field(default="", repr=False)

    def teacher(self) -> Teacher:
        """Returns the task's teacher, which a recipe trains unless it is in the cache."""
        with self.configured():
            return super().teacher()

    def build(self) -> DataFreeDistiller:
        """Builds the compiled distiller with its teacher."""
        with self.configured():
            return super().build()

    def plan(self, clock: Clock = time.perf_counter, seconds: float = 0.0) -> Plan:
        """Builds everything and measures a few steps, as `Experiment.plan` does."""
        with self.configured():
            return super().plan(clock, seconds)

    def run(self, run_dir: Path | str, resume: bool = True, max_minutes: float | None = None) -> dict[str, Any]:
        """Runs the experiment, or resumes it, as `Experiment.run` does."""
        with self.configured():
            return super().run(run_dir, resume, max_minutes)

    @contextlib.contextmanager
    def configured(self) -> Iterator[None]:
        """Within the context, gin is configured as this experiment is."""
        if gin.config_str() == self.configuration:  # already, by a method that calls this one
            yield
            return
        with gin_configuration(self.gin_files, self.bindings, self.composed):
            gin.get_configurable("Experiment")()  # or the operative configuration would lack what is this experiment's
            yield


def presets() -> list[str]:
    """Returns the names of the published configurations, for `load_preset`.

    Returns:
        List of strings, sorted: methods such as "rdskd", then "ablations/...", "baselines/..." and "papers/...", which
        have a paper's own settings. Each is a gin file in `gin_configs/`.
    """
    return sorted(_names(*FOLDERS), key=lambda name: ("/" in name, name))


def load_preset(preset: str, task: str | None = None, bindings: Sequence[str] = ()) -> Experiment:
    """Returns the experiment that a published configuration describes.

    It is the experiment of `dfkd train --gin_file=PRESET.gin --gin_file=tasks/TASK.gin` with the same bindings, so that
    each can resume a run of the other. Use `dataclasses.replace` to change an argument such as callbacks.

    Several presets can be used side by side: gin's global configuration is only borrowed while an experiment builds or
    runs something, and restored afterwards from its text, without objects that only `gin.bind_parameter` can bind.

    Args:
        preset: String. One of the names that `presets()` returns.
        task: String. Name of a file in `gin_configs/tasks/`, such as "mnist_lenet5": the data set, the teacher and the
            student. Defaults to None, the preset's own task.
        bindings: Sequence of strings. Gin bindings that override those of the files, such as
            "SoftTargets.temperature = 4.0". Defaults to none.

    Returns:
        `Experiment`. Call its `run(run_dir)` for a whole run, or its `build()` for the compiled distiller.

    Raises:
        InvalidInputError: If the preset or the task is unknown, or a binding names something unknown or cannot be
            parsed.

    Example:

    >>> experiment = load_preset("rdskd", task="digits_lenet5", bindings=["SoftTargets.temperature = 4.0"])
    >>> experiment.name
    'rdskd-digits_lenet5-seed0'
    """
    _check_known("preset", preset, presets())
    files = [_path(preset)]
    if task is not None:
        tasks = [name.removeprefix("tasks/") for name in _names("tasks")]
        _check_known("task", task, tasks)
        files.append(_path(f"tasks/{task}"))
    return experiment_of(files, bindings)


def experiment_of(gin_files: Sequence[str], bindings: Sequence[str] = (), composed: str = "") -> PresetExperiment:
    """Returns the experiment that gin files and bindings describe; the arguments are those of `configure`."""
    with gin_configuration(gin_files, bindings, composed):
        experiment = gin.get_configurable("Experiment")()
        configuration = gin.config_str()
    described = {field.name: getattr(experiment, field.name) for field in dataclasses.fields(experiment)}
    return PresetExperiment(
        **described,
        gin_files=tuple(gin_files),
        bindings=tuple(bindings),
        composed=composed,
        configuration=configuration,
    )


@contextlib.contextmanager
def gin_configuration(gin_files: Sequence[str], bindings: Sequence[str], composed: str = "") -> Iterator[None]:
    """Within the context, gin is configured by files and bindings; then it is configured as before."""
    before, locked, given = gin.config_str(), gin.config_is_locked(), given_bindings()
    try:
        configure(gin_files, bindings, composed)
        yield
    finally:
        gin.clear_config()
        gin.parse_config(before)
        if locked:
            gin.finalize()
        restore_given(given)


def _path(name: str) -> str:
    """Returns the path of a file of the package, whatever file of that name there is in the working folder."""
    return str(next(path for folder in configuration_folders()[1:] if (path := folder / f"{name}.gin").is_file()))


def _names(*folders: str) -> list[str]:
    names = [name.removesuffix(".gin") for name in available(configuration_folders())]
    return [name for name in names if name.rpartition("/")[0] in folders]


def _check_known(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        similar = [each for each in known if str(name) in each] or difflib.get_close_matches(str(name), known)
        hint = did_you_mean(similar, f"use one of {', '.join(known)}.")
        raise InvalidInputError(f"{kind} {name!r} is unknown: {hint}")
