"""Records the losses and the training time of every epoch."""

import time

import keras

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.run_directory import History
from dfkd_keras.schedules.schedule import SKIPPED, StepKind, UpdateCounts

CLOCKS = ("seconds", "seconds_synthesis", "seconds_student", "seconds_cpu")


def drop_idle_losses(
    distiller: DataFreeDistiller, logs: dict[str, float], updates: StepKind | UpdateCounts
) -> dict[str, float]:
    """Returns the logs without the losses of a side that is not updated.

    Args:
        distiller: `DataFreeDistiller`.
        logs: Dictionary. Losses and metrics by name.
        updates: `StepKind` or `UpdateCounts`. Updates of both sides in the step or epoch of the logs.
    """
    synthesis = {"synthesis_loss", *distiller.synthesizer.objective.names}
    student = {"distillation_loss", "agreement", *distiller.replay.names}
    idle = (set() if updates.synthesis else synthesis) | (set() if updates.student else student)
    return {name: float(value) for name, value in logs.items() if name not in idle}


class Recorder(keras.callbacks.Callback):
    """Writes the values of every epoch to the history, together with its training time by side.

    A step that updates both sides counts in the total time alone. The CPU time is that of all threads of the process.

    Args:
        distiller: `DataFreeDistiller`. The model in training.
        history: `History` to write to.
        seconds: Dictionary. Training time that the first epoch has taken before an interruption, with the keys
            `CLOCKS`. Defaults to None, an epoch that starts from its beginning.
    """

    def __init__(self, distiller: DataFreeDistiller, history: History, seconds: dict[str, float] | None = None):
        super().__init__()
        self.distiller, self.history, self.started, self.cpu_started = distiller, history, 0.0, 0.0
        self.seconds = self._next = seconds or dict.fromkeys(CLOCKS, 0.0)
        self._steps = 0  # made in this epoch, which may be cut short

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Resets the clocks."""
        self.seconds, self._next = self._next, dict.fromkeys(CLOCKS, 0.0)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of the step, so that evaluation does not count."""
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Adds the time of the step, unless an earlier part of the run made it."""
        seconds, kind, self._steps = time.perf_counter() - self.started, self.distiller.position.kind, batch + 1
        if kind == SKIPPED:
            return
        self.seconds["seconds"] += seconds
        self.seconds["seconds_cpu"] += time.process_time() - self.cpu_started
        if not (kind.synthesis and kind.student):
            self.seconds["seconds_student" if kind.student else "seconds_synthesis"] += seconds

    def total_seconds(self) -> float:
        """Returns the training time from the first epoch to the last step, in seconds."""
        return self.history.total("seconds") + self.seconds["seconds"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the row of the epoch."""
        updates = self.model.schedule.updates_in_epoch(epoch, self._steps)
        active = drop_idle_losses(self.model, logs or {}, updates)
        self.history.append({"epoch": epoch + 1, **self.seconds, **active})
