"""The line that shows how far a run has come."""

import sys
import time
from collections import Counter

import keras
from tqdm import tqdm

from dfkd_keras.experiment.training.recording import drop_idle_losses
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.schedules.schedule import Schedule, StepKind

ALWAYS_SHOWN = ("synthesis_loss", "distillation_loss", "agreement", "val_mean_iou", "val_accuracy")


class ProgressBar(keras.callbacks.Callback):
    """One line for the whole run: losses, agreement, the last accuracy and the time left.

    Args:
        means: of the losses, as they are read.
        initial_steps: steps of the whole training that were made before.
        max_seconds: of training that are left; None for as many as it takes.
    """

    def __init__(self, means: RunningMeans, initial_steps: int, max_seconds: float | None = None):
        super().__init__()
        self.means, self.distiller = means, means.distiller
        self.initial_steps, self.max_seconds = initial_steps, max_seconds
        self.shown, self.epoch, self.first, self.started = {}, 0, 0, 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the bar; without a terminal it is renewed every half minute only."""
        steps, interval = self.params["steps"], 0.2 if sys.stderr.isatty() else 30.0
        self.left = TimeLeft(self.distiller.schedule, self.initial_steps, self.params["epochs"] * steps, steps)
        self.bar = tqdm(
            total=self.params["epochs"] * steps,
            initial=self.initial_steps,
            mininterval=interval,
            maxinterval=interval,
            unit="step",
            bar_format="{percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of the steps of a call, of which this is the first."""
        self.first, self.started = batch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar by the steps, unless an earlier part of the run made them."""
        if self.epoch * self.params["steps"] + batch < self.initial_steps:
            return
        steps = batch - self.first + 1
        self.left.count(self.distiller.updates, time.perf_counter() - self.started, steps)
        self._show(self.means.latest)
        self.bar.update(steps)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Shows the accuracy on real images, where it was measured."""
        self._show(drop_idle_losses(self.distiller, logs or {}, self.distiller.schedule.updates_in_epoch(epoch)))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the bar."""
        self.bar.close()

    def _show(self, values: dict[str, float]) -> None:
        self.shown |= {name: f"{values[name]:.3f}" for name in ALWAYS_SHOWN if name in values}
        seconds = self.left.seconds()
        if self.max_seconds is not None:
            seconds = min(seconds, self.max_seconds - self.left.spent)
        self.bar.set_postfix({"left": tqdm.format_interval(max(seconds, 0.0)), **self.shown}, refresh=False)


class TimeLeft:
    """Foretells how long the steps to come will take, from how long those of their kind took.

    A kind that has not come up yet is taken to need as long as the average step so far. The first call of a kind,
    which compiles it, does not count if there are others.

    Args:
        schedule: tells the kinds.
        first: the first step to come, counted from 0.
        last: the step after the last.
        steps_per_epoch: steps an epoch.
    """

    def __init__(self, schedule: Schedule, first: int, last: int, steps_per_epoch: int):
        self.to_come = Counter(schedule.step_kind(*divmod(step, steps_per_epoch)) for step in range(first, last))
        self.seconds_of, self.seen, self.spent = {}, Counter(), 0.0

    def count(self, kind: StepKind, seconds: float, steps: int = 1) -> None:
        """Takes note of a call, of one step or more."""
        self.spent += seconds
        self.to_come[kind] -= steps
        self.seen[kind] += 1
        if self.seen[kind] <= 2:
            self.seconds_of[kind] = seconds / steps
        else:
            self.seconds_of[kind] += (seconds / steps - self.seconds_of[kind]) / (self.seen[kind] - 1)

    def seconds(self) -> float:
        """Returns the seconds left, of training alone."""
        seen = {kind: count for kind, count in self.seen.items() if count}
        average = sum(self.seconds_of[kind] * count for kind, count in seen.items()) / max(sum(seen.values()), 1)
        return sum(self.seconds_of.get(kind, average) * count for kind, count in self.to_come.items())
