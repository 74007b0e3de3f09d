"""The progress of a run: one line that is kept up to date, or lines in a log file."""

import io
import sys
import time
from collections import Counter
from typing import TextIO

import keras
from tqdm import tqdm

from dfkd_keras.experiment.training.recording import drop_idle_losses
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.schedules.schedule import SKIPPED, Schedule, StepKind

ALWAYS_SHOWN = (
    "synthesis_loss", "distillation_loss", "agreement",
    "val_mean_iou", "val_accuracy", "val_agreement", "val_estimated_agreement",
)  # fmt: skip


SECONDS_BETWEEN_LINES, SECONDS_OF_A_DAY = 30.0, 86_400.0
COUNTS = "{n_fmt}/{total_fmt} [{elapsed}, {rate_noinv_fmt}{postfix}]"


class LogLines(io.TextIOBase):
    """Writes each state of a progress bar as a line of its own, without the characters that move a cursor.

    Args:
        stream: Text stream to write to.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes a state of the bar."""
        if line := text.strip():
            self.stream.write(f"{line}\n")
            self.stream.flush()
        return len(text)


def keeps_a_line(stream: TextIO) -> bool:
    """Returns whether a line that was written can be written over: on a terminal and in a notebook."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel")


class ProgressBar(keras.callbacks.Callback):
    """One line for the whole run: its rate, the remaining time and its end, losses, agreement, the latest accuracy.

    Elsewhere than on a terminal and in a notebook, a line is added every half minute.

    Args:
        means: `RunningMeans`. Reads the losses.
        initial_steps: Integer. Steps of the whole training that were made before.
        max_seconds: Float. Training time that a limit leaves, in seconds. Defaults to None, no limit.
    """

    def __init__(self, means: RunningMeans, initial_steps: int, max_seconds: float | None = None):
        super().__init__()
        self.means, self.distiller = means, means.distiller
        self.initial_steps, self.max_seconds = initial_steps, max_seconds
        self.shown, self.first, self.started = {}, 0, 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the bar."""
        steps, stream = self.params["steps"], sys.stderr
        total, is_bar = self.params["epochs"] * steps, keeps_a_line(stream)
        self.remaining = RemainingTime(self.distiller.schedule, self.initial_steps, total, steps)
        interval = 0.2 if is_bar else SECONDS_BETWEEN_LINES
        self.bar = tqdm(
            total=total,
            initial=self.initial_steps,
            file=stream if is_bar else LogLines(stream),
            position=0,
            mininterval=interval,
            maxinterval=interval,
            unit=" steps",
            bar_format=f"{{percentage:3.0f}}%{'|{bar:20}|' if is_bar else ''} {COUNTS}",
        )

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of a call, whose first step this is."""
        self.first, self.started = batch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Advances the bar, unless an earlier part of the run made the step."""
        if self.distiller.position.kind == SKIPPED:
            return
        steps = batch - self.first + 1
        self.remaining.count(self.distiller.position.kind, time.perf_counter() - self.started, steps)
        self._show(self.means.latest)
        self.bar.update(steps)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Shows the accuracy on real images if it was measured."""
        self._show(drop_idle_losses(self.distiller, logs or {}, self.distiller.schedule.updates_in_epoch(epoch)))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the bar."""
        self.bar.close()

    def _show(self, values: dict[str, float]) -> None:
        self.shown |= {name: f"{values[name]:.3f}" for name in ALWAYS_SHOWN if name in values}
        seconds = self.remaining.seconds()
        if self.max_seconds is not None:
            seconds = min(seconds, self.max_seconds - self.remaining.spent)
        seconds = max(seconds, 0.0)
        end = time.strftime(
            "%H:%M" if seconds < SECONDS_OF_A_DAY else "%a %H:%M", time.localtime(time.time() + seconds)
        )
        self.bar.set_postfix({"left": tqdm.format_interval(seconds), "end": end, **self.shown}, refresh=False)


class RemainingTime:
    """Estimates how long the remaining steps will take from how long the steps of their kind took so far.

    A kind that has not occurred yet is estimated by the average step. The first call of a kind, which compiles it, is
    left out as soon as there are others.

    Args:
        schedule: `Schedule`. Defines the kind of every step.
        first: Integer. Index of the first step to come, from 0.
        last: Integer. Index after the last step.
        steps_per_epoch: Integer. Steps per epoch.

    Attributes:
        spent: Float. Training time so far, in seconds.
    """

    def __init__(self, schedule: Schedule, first: int, last: int, steps_per_epoch: int):
        self.to_come = Counter(schedule.position(step, steps_per_epoch).kind for step in range(first, last))
        self.seconds_per_step, self.calls, self.spent = {}, Counter(), 0.0

    def count(self, kind: StepKind, seconds: float, steps: int = 1) -> None:
        """Counts a call.

        Args:
            kind: `StepKind`. Kind of the steps.
            seconds: Float. How long the call took.
            steps: Integer. Number of steps in the call. Defaults to 1.
        """
        self.spent += seconds
        self.to_come[kind] -= steps
        self.calls[kind] += 1
        if self.calls[kind] <= 2:
            self.seconds_per_step[kind] = seconds / steps
        else:
            self.seconds_per_step[kind] += (seconds / steps - self.seconds_per_step[kind]) / (self.calls[kind] - 1)

    def seconds(self) -> float:
        """Returns the estimated training time that remains, in seconds, without evaluations."""
        total = sum(self.seconds_per_step[kind] * count for kind, count in self.calls.items())
        average = total / max(sum(self.calls.values()), 1)
        return sum(self.seconds_per_step.get(kind, average) * count for kind, count in self.to_come.items())
