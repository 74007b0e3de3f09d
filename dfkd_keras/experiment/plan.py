"""What a run would do: its updates and images, and estimates of the time and memory that it takes."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment import benchmark
from dfkd_keras.experiment.results import fresh_batches, peak_memory_mb
from dfkd_keras.schedules.schedule import UpdateCounts

MEASURED_STEPS = 3


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run would do, as `str` tells it.

    Args:
        configuration: String. The operative gin configuration: every parameter that has an effect.
        epochs: Integer. Epochs of the training.
        steps_per_epoch: Integer. Steps per epoch.
        updates: `UpdateCounts`. Updates of both sides.
        batch_size: Integer. Images per update.
        synthesized_images: Integer. Different images synthesized for the student.
        buffer_images: Integer. Images that the replay buffer holds in the end.
        seconds: Float. Estimated training time, without evaluations and the teacher's training.
        first_seconds: Float. The part of it that does not grow with the training: the first steps, which compile.
        variables_mb: Float. Memory of the variables: networks, optimizers and buffer, in MB.
        peak_memory_mb: Float or None. Peak resident memory of this process after the measured steps, in MB.
        teacher_is_trained: Boolean. Whether the teacher is there. If False, a run trains it first.
    """

    configuration: str
    epochs: int
    steps_per_epoch: int
    updates: UpdateCounts
    batch_size: int
    synthesized_images: int
    buffer_images: int
    seconds: float
    first_seconds: float
    variables_mb: float
    peak_memory_mb: float | None
    teacher_is_trained: bool = True

    def __str__(self) -> str:
        """Returns the configuration and the plan as text."""
        lines = {
            "teacher": "ready" if self.teacher_is_trained else "not trained yet: a run trains it first",
            "training": f"{self.epochs:,} epochs of {self.steps_per_epoch:,} steps, batches of {self.batch_size:,}",
            "updates": f"{self.updates.synthesis:,} of the synthesizer, {self.updates.student:,} of the student",
            "images": f"{self.synthesized_images:,} synthesized, {self.buffer_images:,} kept in the buffer",
            "time": f"about {_duration(self.seconds)} of training on this machine, without evaluations",
            "memory": f"{self.variables_mb:,.0f} MB of variables"
            + (f"; this process took {self.peak_memory_mb:,.0f} MB" if self.peak_memory_mb else ""),
        }
        plan = "\n".join(f"{name + ':':<10}{text}" for name, text in lines.items())
        return f"{self.configuration.rstrip()}\n\n{plan}" if self.configuration.strip() else plan


def plan_of(
    distiller: DataFreeDistiller,
    configuration: str,
    teacher_is_trained: bool = True,
    clock: benchmark.Clock = time.perf_counter,
    seconds: float = 0.0,
) -> Plan:
    """Makes the plan of a run; this measures a few steps, which trains the distiller.

    Args:
        distiller: `DataFreeDistiller`, compiled and not trained.
        configuration: String. The operative gin configuration.
        teacher_is_trained: Boolean. Whether the teacher is there. Defaults to True.
        clock: Callable, as in `benchmark.measure`. Defaults to `time.perf_counter`.
        seconds: Float, as in `benchmark.measure`. Defaults to 0.
    """
    schedule, replay, batch_size = distiller.schedule, distiller.replay, distiller.batch_size
    updates, synthesized, kept = schedule.total_updates(), 0, 0
    if replay.keeps_images:
        synthesized = schedule.rounds * batch_size
        kept = min(synthesized, replay.capacity)
    elif distiller.synthesizer.synthesizes:
        steps = schedule.epochs * schedule.steps_per_epoch
        synthesized = fresh_batches(distiller, steps, updates) * batch_size
    variables = [*distiller.variables, *distiller.optimizer.variables]
    variables = {id(variable): variable for variable in variables}.values()
    measured = benchmark.measure(distiller, MEASURED_STEPS, clock, seconds)
    return Plan(
        configuration=configuration,
        epochs=schedule.epochs,
        steps_per_epoch=schedule.steps_per_epoch,
        updates=updates,
        batch_size=batch_size,
        synthesized_images=synthesized,
        buffer_images=kept,
        seconds=_seconds(measured, updates),
        first_seconds=measured["first_step_seconds"],
        variables_mb=sum(np.prod(each.shape) * np.dtype(_dtype(each)).itemsize for each in variables) / 1e6,
        peak_memory_mb=peak_memory_mb(),
        teacher_is_trained=teacher_is_trained,
    )


def _seconds(measured: Mapping[str, Any], updates: UpdateCounts) -> float:
    synthesis = measured["seconds_per_synthesis_update"] * updates.synthesis
    return measured["first_step_seconds"] + synthesis + measured["seconds_per_student_update"] * updates.student


def _dtype(variable: Any) -> str:
    return "float16" if variable.dtype == "bfloat16" else variable.dtype  # NumPy has no bfloat16


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
