"""Grids of synthetic images, drawn during training, and of test images with their masks, drawn after it."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.plots import SHOWN_WITH_MASKS, save_class_grid, save_mask_grid
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.files import atomic_write


class ImageGrids(keras.callbacks.Callback):
    """Draws synthetic images: one row per class predicted by the teacher, or for a segmenter, the predicted masks.

    It draws after the last epoch of synthesis too. While the synthesizer is not trained, its images stay the same, and
    are drawn once.

    Args:
        run: `RunDirectory`. The folder of the run.
        every_epochs: Integer. Draws this often, in epochs of synthesis.
        class_names: Sequence of strings. One per class.
        images: Integer. Number of images that are classified for the rows. Defaults to 512.
    """

    def __init__(self, run: RunDirectory, every_epochs: int, class_names: Sequence[str], images: int = 512):
        super().__init__()
        self.run, self.every_epochs, self.class_names, self.images = run, every_epochs, class_names, images

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Draws if a grid is due."""
        schedule, following = self.model.schedule, epoch + 1
        last = following == self.params["epochs"] or not schedule.updates_in_epoch(following).synthesis
        due = schedule.updates_in_epoch(epoch).synthesis and (following % self.every_epochs == 0 or last)
        due |= epoch == 0 and not self.model.synthesizer.trains
        if due and not self.model.replay.empty:  # a time limit can end the first round before it adds any image
            with atomic_write(self.run.grid(epoch)) as temporary:
                self._draw(temporary)

    def _draw(self, path: Path) -> None:
        teacher = self.model.teacher
        images = self.model.replay.preview(SHOWN_WITH_MASKS if teacher.is_segmenter else self.images, self.model)
        if teacher.is_segmenter:
            save_mask_grid(path, images, self.model.predict_classes(images), self.class_names)
        else:
            save_class_grid(path, images, teacher.predict_classes(images), self.class_names)


def draw_test_images(run: RunDirectory, distiller: DataFreeDistiller, evaluated: Evaluation) -> None:
    """Draws some of the images that a segmenter was evaluated on, with the masks of both networks and the true ones.

    Args:
        run: `RunDirectory`. The folder of the run.
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`. The images.
    """
    test = evaluated.split
    chosen = np.unique(np.linspace(0, len(test.labels) - 1, SHOWN_WITH_MASKS).astype(int))
    images = test.unit_images[chosen]
    truth = {"truth": test.labels[chosen]} if evaluated.has_truth else {}
    masks = truth | distiller.predict_classes(images)
    with atomic_write(run.test_images) as temporary:
        save_mask_grid(temporary, images, masks, evaluated.class_names)
