"""What happens beside the training of a run, as Keras callbacks."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import keras
from keras import ops
from tqdm import tqdm

from dfkd_keras.experiment.history import History
from dfkd_keras.experiment.pictures import SHOWN_WITH_MASKS, save_class_grid, save_mask_grid
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.files import written_aside
from dfkd_keras.metrics import predicted_classes
from dfkd_keras.schedule import Updates

ALWAYS_SHOWN = ("synthesis_loss", "student_loss", "agreement", "val_mean_iou", "val_accuracy")


def of_active_sides(distiller: Any, logs: dict[str, float], updates: Updates) -> dict[str, float]:
    """Returns the logs without those of a side that `updates` makes no update of."""
    synthesis = {"synthesis_loss", *distiller.synthesizer.objective.names}
    student = {"student_loss", "agreement", *distiller.replay.names}
    idle = (set() if updates.synthesis else synthesis) | (set() if updates.student else student)
    return {name: float(value) for name, value in logs.items() if name not in idle}


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run at the first loss that is not a finite number, and never lets such weights be saved."""

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raises FloatingPointError naming the loss and the step."""
        active = of_active_sides(self.model, logs or {}, self.model.updates)
        for name in sorted(active, key=lambda name: name == "synthesis_loss"):  # the term at fault before the sum
            if not math.isfinite(active[name]):
                self._stop(f"{name} is {active[name]} at step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Raises FloatingPointError if a weight is not finite."""
        for variable in self.model.trainable_variables:
            if not bool(ops.all(ops.isfinite(variable.value))):
                self._stop(f"weight {variable.path} is not finite after the last step")

    def _stop(self, what: str) -> None:
        raise FloatingPointError(
            f"{what} of epoch {self.epoch + 1}: lower the learning rate of that side; the last good checkpoint is kept."
        )


class Recorder(keras.callbacks.Callback):
    """Writes an epoch's values and its training time, split between the sides, to the history.

    A step that updates both sides counts in the total alone.
    """

    def __init__(self, history: History):
        super().__init__()
        self.history, self.seconds, self.started = history, {}, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clocks."""
        self.seconds = {"seconds": 0.0, "seconds_synthesis": 0.0, "seconds_student": 0.0}

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the step's clock, so that evaluation is not counted."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Adds the step's time."""
        seconds, kind = time.perf_counter() - self.started, self.model.updates
        self.seconds["seconds"] += seconds
        if not (kind.synthesis and kind.student):
            self.seconds["seconds_student" if kind.student else "seconds_synthesis"] += seconds

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the row."""
        active = of_active_sides(self.model, logs or {}, self.model.schedule.makes(epoch))
        self.history.append({"epoch": epoch + 1, **self.seconds, **active})


class Checkpoints(keras.callbacks.Callback):
    """Saves the distiller's whole state every so many epochs and at the end."""

    def __init__(self, run: RunDirectory, every_epochs: int):
        super().__init__()
        self.run, self.every_epochs = run, every_epochs

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves, if it is time."""
        if (epoch + 1) % self.every_epochs == 0 or epoch + 1 == self.params["epochs"]:
            with written_aside(self.run.checkpoint(epoch + 1)) as aside:
                self.model.save_weights(aside)
            self.run.forget_old_checkpoints()


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
        if schedule.makes(epoch).synthesis and (after % self.every_epochs == 0 or last):
            with written_aside(self.run.images / f"epoch-{epoch + 1:06d}.png") as aside:
                self._draw(aside)

    def _draw(self, path: Path) -> None:
        teacher = self.model.teacher
        images = self.model.replay.show(SHOWN_WITH_MASKS if teacher.segments else self.images, self.model)
        inputs = ops.convert_to_numpy(teacher.to_inputs(images, "unit"))
        classes = predicted_classes(teacher.model, inputs)
        if teacher.segments:
            masks = {"teacher": classes, "student": predicted_classes(self.model.student, inputs)}
            save_mask_grid(path, images, masks, self.class_names)
        else:
            save_class_grid(path, images, classes, self.class_names)


class ProgressBar(keras.callbacks.Callback):
    """One line for the whole run: losses, agreement, the last accuracy and the time left."""

    def __init__(self, initial_epoch: int):
        super().__init__()
        self.initial_epoch, self.shown, self.bar = initial_epoch, {}, None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the bar; without a terminal it is renewed every half minute only."""
        steps, interval = self.params["steps"], 0.2 if sys.stderr.isatty() else 30.0
        self.bar = tqdm(
            total=self.params["epochs"] * steps,
            initial=self.initial_epoch * steps,
            mininterval=interval,
            maxinterval=interval,
            unit="step",
            bar_format="{percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]",
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar by a step."""
        self._show(logs or {}, self.model.updates)
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Shows the accuracy on real images, where it was measured."""
        self._show(logs or {}, self.model.schedule.makes(epoch))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the bar."""
        self.bar.close()

    def _show(self, logs: dict, updates: Updates) -> None:
        active = of_active_sides(self.model, logs, updates)
        self.shown |= {name: f"{active[name]:.3f}" for name in ALWAYS_SHOWN if name in active}
        self.bar.set_postfix(self.shown, refresh=False)
