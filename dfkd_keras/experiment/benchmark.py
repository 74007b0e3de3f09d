"""Measures how long the updates of a configuration take."""

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras

from dfkd_keras.backend import gradient
from dfkd_keras.backend.state import array_of
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.schedules.schedule import Schedule, StepKind, UpdateCounts

WARM_UP_STEPS = 3
MOST_STEPS = 50  # that are measured because they are short
TICK = 1e-6  # seconds; a coarse clock may show none
Clock = Callable[[], float]


class _StepTimer(keras.callbacks.Callback):
    """Times every step of an epoch until the device has made it."""

    def __init__(self, distiller: DataFreeDistiller, clock: Clock):
        super().__init__()
        self.distiller, self.clock, self.seconds, self.started = distiller, clock, [], 0.0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.started = self.clock()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        gradient.wait(self.distiller)
        self.seconds.append(self.clock() - self.started)


class _OneKind(Schedule):
    """A schedule of equal steps, with the length of another schedule, so that learning rates are as they are there.

    It has no `kinds` and `rounds`, of which a distiller would check that they fit the steps of an epoch.
    """

    kinds, rounds = (), 0

    def __init__(self, kind: StepKind, schedule: Schedule):
        self.kind, self.schedule, self.epochs = kind, schedule, schedule.epochs

    def rounds_in(self, epochs: int) -> int:
        return self.schedule.rounds_in(epochs)

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        return self.kind

    def total_updates(self, epochs: int | None = None, steps_per_epoch: int | None = None) -> UpdateCounts:
        return self.schedule.total_updates()


@contextlib.contextmanager
def restored_state(distiller: DataFreeDistiller) -> Iterator[None]:
    """Context manager that restores all variables and the position of a distiller on exit.

    Args:
        distiller: `DataFreeDistiller`, compiled.
    """
    variables = [*distiller.variables, *distiller.optimizer.variables, *distiller.metrics_variables]
    variables = {id(variable): variable for variable in variables}.values()
    position = distiller.position
    values = [array_of(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        distiller.position = position


def step_seconds(
    distiller: DataFreeDistiller, kind: StepKind, steps: int, clock: Clock = time.perf_counter
) -> list[float]:
    """Trains for some steps of one kind and returns the time of each in seconds, warm-up steps first.

    Args:
        distiller: `DataFreeDistiller`, compiled.
        kind: `StepKind`. What every step does.
        steps: Integer. Number of steps after the warm-up.
        clock: Callable, as in `measure`. Defaults to `time.perf_counter`.
    """
    planned, timer = (distiller.schedule, distiller.steps_per_execution), _StepTimer(distiller, clock)
    distiller.schedule = _OneKind(kind, distiller.schedule)
    distiller.steps_per_execution = 1  # otherwise a call would be timed as a step
    try:
        distiller.fit(epochs=1, steps_per_epoch=steps + WARM_UP_STEPS, callbacks=[timer], verbose=0)
    finally:
        distiller.schedule, distiller.steps_per_execution = planned
    return timer.seconds


def measure(
    distiller: DataFreeDistiller, steps: int = 15, clock: Clock = time.perf_counter, seconds: float = 0.0
) -> dict[str, Any]:
    """Measures the updates of both sides; this trains the distiller, see `restored_state`.

    Args:
        distiller: `DataFreeDistiller`, compiled.
        steps: Integer. Measured steps of each kind, after a warm-up. Defaults to 15.
        clock: Callable without arguments. Returns the seconds of a clock, `time.process_time` for those of all CPU
            cores, which other work on the machine hardly changes. Defaults to `time.perf_counter`.
        seconds: Float. How long the measured steps of each kind take at least, by the clock; at most 50 steps are made
            for it. Defaults to 0.

    Returns:
        Dictionary: `batch_size`; `seconds_per_synthesis_update` and `seconds_per_student_update`, medians in seconds,
        the first 0 for a synthesizer without anything to train; `images_per_second`, the images that both updates
        process; and `first_step_seconds`, which includes compilation.
    """
    kinds, synthesis = distiller.schedule.kinds, [0.0]
    for kind in (kind for kind in kinds if kind.begins_round):
        step_seconds(distiller, kind, steps=0)
    if distiller.synthesizer.trains:
        synthesis = _seconds_of_steps(distiller, StepKind(1, 0), steps, clock, seconds)
    for kind in (kind for kind in kinds if kind.ends_round):  # without it, the buffer would be empty
        step_seconds(distiller, kind, steps=0)
    # Updates that share a batch, or a round, share the time of drawing it.
    sharing = (kind._replace(synthesis=0) for kind in kinds if kind.shared_latents or kind.is_round)
    student = _seconds_of_steps(distiller, kind := next(sharing, StepKind(0, 1)), steps, clock, seconds)
    seconds_per_synthesis, seconds_per_student = _median(synthesis), _median(student) / kind.student
    return {
        "batch_size": distiller.batch_size,
        "seconds_per_synthesis_update": seconds_per_synthesis,
        "seconds_per_student_update": seconds_per_student,
        "images_per_second": distiller.batch_size / (seconds_per_synthesis + seconds_per_student),
        "first_step_seconds": synthesis[0] + student[0],
    }


def _seconds_of_steps(
    distiller: DataFreeDistiller, kind: StepKind, steps: int, clock: Clock, seconds: float
) -> list[float]:
    """Returns the time of some steps as `step_seconds` does, and of further ones until all took so many seconds."""
    measured = step_seconds(distiller, kind, steps, clock)
    further = min(MOST_STEPS, math.ceil(seconds / max(TICK, _median(measured)))) - steps
    return measured + step_seconds(distiller, kind, further, clock)[WARM_UP_STEPS:] if further > 0 else measured


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds[WARM_UP_STEPS:] or seconds)
