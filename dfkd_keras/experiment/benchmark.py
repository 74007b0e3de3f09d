"""How long the updates of a configuration take."""

import statistics
import time
from typing import Any

import keras

from dfkd_keras.backend import gradient
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.schedules.schedule import Schedule, StepKind

WARM_UP_STEPS = 3


class _Clock(keras.callbacks.Callback):
    """Times every step of an epoch, results awaited."""

    def __init__(self, distiller: DataFreeDistiller):
        super().__init__()
        self.distiller, self.seconds, self.started = distiller, [], 0.0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        gradient.wait(self.distiller)
        self.seconds.append(time.perf_counter() - self.started)


class _OneKind(Schedule):
    """A schedule whose every step makes the same updates; no plan, of which anything would be checked."""

    kinds, epochs = (), 1

    def __init__(self, kind: StepKind):
        self.kind = kind

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        return self.kind


def step_seconds(distiller: DataFreeDistiller, kind: StepKind, steps: int) -> list[float]:
    """Trains for some steps of one kind and returns the seconds of each, the first ones of warm-up included."""
    plan, clock = (distiller.schedule, distiller.steps_per_execution), _Clock(distiller)
    distiller.schedule, distiller.steps_per_execution = _OneKind(kind), 1  # a call would be timed for a step
    try:
        distiller.fit(steps_per_epoch=steps + WARM_UP_STEPS, callbacks=[clock], verbose=0)
    finally:
        distiller.schedule, distiller.steps_per_execution = plan
    return clock.seconds


def measure(distiller: DataFreeDistiller, steps: int = 15) -> dict[str, Any]:
    """Measures both kinds of updates on random weights or trained ones; it trains the distiller.

    Args:
        distiller: compiled.
        steps: measured steps of each kind, after a warm-up.

    Returns:
        Medians in seconds (0 for a synthesizer that has nothing to train), the images both updates process in a second,
        and the seconds of the first step of each kind.
    """
    kinds, synthesis = distiller.schedule.kinds, [0.0]
    for kind in (kind for kind in kinds if kind.begins_round):
        step_seconds(distiller, kind, steps=0)
    if distiller.synthesizer.trains:
        synthesis = step_seconds(distiller, StepKind(1, 0), steps)
    for kind in (kind for kind in kinds if kind.ends_round):  # without which the memory would be empty
        step_seconds(distiller, kind, steps=0)
    # StepKind that share a batch share the time of drawing it.
    sharing = (StepKind(0, kind.student, shared_latents=True) for kind in kinds if kind.shared_latents)
    student = step_seconds(distiller, kind := next(sharing, StepKind(0, 1)), steps)
    of_synthesis, of_student = _median(synthesis), _median(student) / kind.student
    return {
        "batch_size": distiller.batch_size,
        "seconds_per_synthesis_update": of_synthesis,
        "seconds_per_student_update": of_student,
        "images_per_second": distiller.batch_size / (of_synthesis + of_student),
        "first_step_seconds": synthesis[0] + student[0],
    }


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds[WARM_UP_STEPS:] or seconds)
