"""What happens beside the training of a run, as Keras callbacks."""

import time
from typing import Any

import keras

from dfkd_keras.experiment.training.history import History
from dfkd_keras.schedules.schedule import StepKind

CLOCKS = ("seconds", "seconds_synthesis", "seconds_student")


def drop_idle_losses(distiller: Any, logs: dict[str, float], updates: StepKind) -> dict[str, float]:
    """Returns the logs without those of a side that `updates` makes no update of."""
    synthesis = {"synthesis_loss", *distiller.synthesizer.objective.names}
    student = {"distillation_loss", "agreement", *distiller.replay.names}
    idle = (set() if updates.synthesis else synthesis) | (set() if updates.student else student)
    return {name: float(value) for name, value in logs.items() if name not in idle}


class Recorder(keras.callbacks.Callback):
    """Writes an epoch's values and its training time, split between the sides, to the history.

    A step that updates both sides counts in the total alone.

    Args:
        distiller: which is trained.
        history: to write to.
        seconds: that the first epoch has taken already, as in the attribute of this name, if it was interrupted.
    """

    def __init__(self, distiller: Any, history: History, seconds: dict[str, float] | None = None):
        super().__init__()
        self.distiller, self.history, self.started = distiller, history, 0.0
        self.seconds = self._next = seconds or dict.fromkeys(CLOCKS, 0.0)
        self._steps = 0  # made of the epoch, which may be cut short

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clocks."""
        self.seconds, self._next = self._next, dict.fromkeys(CLOCKS, 0.0)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the step's clock, so that evaluation is not counted."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Adds the step's time."""
        seconds, kind, self._steps = time.perf_counter() - self.started, self.distiller.updates, batch + 1
        self.seconds["seconds"] += seconds
        if not (kind.synthesis and kind.student):
            self.seconds["seconds_student" if kind.student else "seconds_synthesis"] += seconds

    def seconds_in_all(self) -> float:
        """Returns how long training took, from the first epoch to the last step."""
        return self.history.total("seconds") + self.seconds["seconds"]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the row."""
        made = self.model.schedule.updates_in_epoch(epoch, self._steps)
        active = drop_idle_losses(self.model, logs or {}, made)
        self.history.append({"epoch": epoch + 1, **self.seconds, **active})
