"""What happens beside the training of a run, as Keras callbacks."""

import time
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.experiment.history import History
from dfkd_keras.experiment.pictures import SHOWN_WITH_MASKS, save_class_grid, save_mask_grid
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.files import written_aside
from dfkd_keras.schedule import Updates

CLOCKS = ("seconds", "seconds_synthesis", "seconds_student")


def of_active_sides(distiller: Any, logs: dict[str, float], updates: Updates) -> dict[str, float]:
    """Returns the logs without those of a side that `updates` makes no update of."""
    synthesis = {"synthesis_loss", *distiller.synthesizer.objective.names}
    student = {"student_loss", "agreement", *distiller.replay.names}
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
        made = self.model.schedule.makes(epoch, self._steps)
        active = of_active_sides(self.model, logs or {}, made)
        self.history.append({"epoch": epoch + 1, **self.seconds, **active})


class ImageGrids(keras.callbacks.Callback):
    """Draws a grid of synthetic images, one row per class as the teacher sees them; for a segmenter, with its masks.

    It draws every so many epochs of synthesis and after the last; while the synthesizer rests, nothing changes.
    """

    def __init__(self, run: RunDirectory, every_epochs: int, class_names: tuple[str, ...], images: int = 512):
        super().__init__()
        self.run, self.every_epochs, self.class_names, self.images = run, every_epochs, class_names, images

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Draws, if it is time."""
        schedule, after = self.model.schedule, epoch + 1
        last = after == self.params["epochs"] or not schedule.makes(after).synthesis
        due = schedule.makes(epoch).synthesis and (after % self.every_epochs == 0 or last)
        if due and not self.model.replay.empty:  # as a memory is when time is up in the first round
            with written_aside(self.run.images / f"epoch-{epoch + 1:06d}.png") as aside:
                self._draw(aside)

    def _draw(self, path: Path) -> None:
        teacher = self.model.teacher
        images = self.model.replay.show(SHOWN_WITH_MASKS if teacher.segments else self.images, self.model)
        if teacher.segments:
            save_mask_grid(path, images, self.model.seen_by_both(images), self.class_names)
        else:
            save_class_grid(path, images, teacher.classes_seen(images), self.class_names)
