"""The length of a training that takes a given time on this machine."""

import math
import re
import time
from typing import NamedTuple

import gin

from dfkd_keras.experiment.benchmark import Clock
from dfkd_keras.experiment.presets import PresetExperiment, experiment_of
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.errors import InvalidInputError

USED_SHARE = 0.92  # of the time; the rest is for steps that take longer than the measured ones
MEASURED_SHARE = 0.01  # of the time, for the steps of each kind: single ones vary by a half
EVALUATION_SECONDS = 20.0  # between evaluations, where the method leaves it open
FEWEST_EPOCHS, MOST_EPOCHS = 5, 60
EPOCH_LENGTHS = ("rounds_per_epoch", "steps_per_epoch")  # a method of rounds has the macro of both
OVERRUN = 1.15  # of the asked minutes at most, so that a slower step than measured does not cut the learning rate short
SAID = re.compile(r"^\W*'minutes': '(\S+)", re.MULTILINE)  # in the configuration of a run without a record of its limit
PLANNED = re.compile(r"^(student_epochs|synthesis_epochs|steps_per_epoch|rounds_per_epoch) = (\d+)$", re.MULTILINE)


class Length(NamedTuple):
    """The length of a training.

    Attributes:
        macros: Dictionary of integers by macro: the epochs of each stage, and the steps or rounds of an epoch where
            there is one stage.
        epochs: Float. Epochs of the student that the given time is enough for, before they are rounded; below 0.5 the
            shortest training takes far longer than the given time. Infinite where all steps are alike.
    """

    macros: dict[str, int]
    epochs: float


def planned_length(experiment: PresetExperiment, minutes: float, clock: Clock = time.perf_counter) -> Length:
    """Measures a few steps of an experiment and returns how long it may be.

    Args:
        experiment: `PresetExperiment`, whose gin files use the macros of `parts/budget.gin`.
        minutes: Float. Training time.
        clock: Callable, as in `benchmark.measure`: what the time is measured by. Defaults to `time.perf_counter`.

    Raises:
        InvalidInputError: If the method's file does not use the macros.
    """
    plan = experiment.plan(clock, seconds=60.0 * minutes * MEASURED_SHARE)
    seconds = 60.0 * minutes * USED_SHARE
    scale = max(0.0, seconds - plan.first_seconds) / (plan.seconds - plan.first_seconds)
    if not plan.updates.synthesis:
        steps = max(1, round(plan.epochs * plan.steps_per_epoch * scale))
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(seconds / EVALUATION_SECONDS)), steps)
        return Length({"student_epochs": epochs, "steps_per_epoch": max(1, steps // epochs)}, math.inf)
    with experiment.configured():
        epochs = {name: _macro(name) for name in ("synthesis_epochs", "student_epochs")}
        epoch_length = next(({name: count} for name in EPOCH_LENGTHS if (count := _macro(name))), {})
    if not epochs["student_epochs"]:
        raise InvalidInputError(
            f"method {experiment.method!r} does not take its length from the macro student_epochs, so that minutes "
            "cannot be kept: write its file like those of gin_configs/, or use dfkd train."
        )
    macros = {name: max(1, round(count * scale)) for name, count in epochs.items() if count}
    length = Length(macros, epochs["student_epochs"] * scale)
    return length if "synthesis_epochs" in macros else _in_whole_epochs(length, epoch_length)


def _in_whole_epochs(length: Length, epoch_length: dict[str, int]) -> Length:
    """Returns a length whose epochs are longer or shorter than configured, so that a whole number fills the time."""
    stretch = max(1.0, length.epochs) / length.macros["student_epochs"]
    stretched = {name: max(1, round(count * stretch)) for name, count in epoch_length.items()}
    return length._replace(macros=length.macros | stretched)


def length_so_far(run: RunDirectory) -> dict[str, int]:
    """Returns the macros of the length that an earlier call planned for the run in a folder, empty if there is none."""
    if not run.configuration.exists():
        return {}
    planned = {name: int(value) for name, value in PLANNED.findall(run.configuration.read_text(encoding="utf-8"))}
    return planned if "student_epochs" in planned else {}  # a task may set the steps of an epoch by itself


def limit_so_far(run: RunDirectory) -> float | None:
    """Returns the minutes at which the latest call would end the run in a folder, None if it has no such limit."""
    said = SAID.search(run.configuration.read_text(encoding="utf-8")) if not run.limits.exists() else None
    return OVERRUN * float(said[1]) if said else run.max_minutes()


def time_limit(minutes: float, run: RunDirectory, resume: bool) -> float:
    """Returns the minutes at which a training that was fit to a time ends, not before those of an earlier call.

    Args:
        minutes: Float. Training time.
        run: `RunDirectory`. The folder of the run.
        resume: Boolean. Whether an earlier run in the folder keeps its length.
    """
    earlier = limit_so_far(run) if resume and run.configuration.exists() else None
    return max(OVERRUN * minutes, earlier or 0.0)


def fit_to_time(
    experiment: PresetExperiment, minutes: float, run: RunDirectory, resume: bool, clock: Clock = time.perf_counter
) -> PresetExperiment:
    """Returns an experiment whose training, and with it the course of its learning rates, takes a given time.

    Args:
        experiment: `PresetExperiment`, as for `planned_length`.
        minutes: Float. Training time.
        run: `RunDirectory`. The folder of the run.
        resume: Boolean. Whether an earlier run in the folder keeps its length.
        clock: Callable, as in `benchmark.measure`: what the time is measured by. Defaults to `time.perf_counter`.

    Raises:
        InvalidInputError: If the method's file does not use the macros.
    """
    length = (length_so_far(run) if resume else {}) or planned_length(experiment, minutes, clock).macros
    planned = "\n".join(f"{name} = {value}" for name, value in length.items())
    return experiment_of(experiment.gin_files, experiment.bindings, planned)


def _macro(name: str) -> int | None:
    """Returns the value of a macro, None if the configuration has none of that name."""
    try:
        gin.query_parameter(f"%{name}")
    except ValueError:
        return None
    return gin.get_configurable(f"{name}/gin.macro")()
