"""Grids of synthetic images, drawn while a run is trained."""

from pathlib import Path

import keras

from dfkd_keras.experiment.reporting.plots import SHOWN_WITH_MASKS, save_class_grid, save_mask_grid
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.files import atomic_write


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
        last = after == self.params["epochs"] or not schedule.updates_in_epoch(after).synthesis
        due = schedule.updates_in_epoch(epoch).synthesis and (after % self.every_epochs == 0 or last)
        if due and not self.model.replay.empty:  # as a memory is when time is up in the first round
            with atomic_write(self.run.images / f"epoch-{epoch + 1:06d}.png") as aside:
                self._draw(aside)

    def _draw(self, path: Path) -> None:
        teacher = self.model.teacher
        images = self.model.replay.preview(SHOWN_WITH_MASKS if teacher.is_segmenter else self.images, self.model)
        if teacher.is_segmenter:
            save_mask_grid(path, images, self.model.seen_by_both(images), self.class_names)
        else:
            save_class_grid(path, images, teacher.predict_classes(images), self.class_names)
