"""The callback by which `DataFreeDistiller.fit` follows its schedule, from the middle of an epoch where need be."""

import logging
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.state import array_of
from dfkd_keras.schedules.noise import NoiseStream
from dfkd_keras.schedules.schedule import SKIPPED, Position

logger = logging.getLogger(__name__)
SHOWN_CLASSES = 10


class ScheduleCallback(keras.callbacks.Callback):
    """Sets the distiller's position before every step, and the step that the noise starts from.

    Args:
        distiller: A `DataFreeDistiller`. The model in training. On JAX, reading a callback's `model` in every step
            would copy all weights back to it.
        noise: A `NoiseStream`. The data of `fit`.
        initial_step: Integer. Number of steps of the first epoch that were made before and are skipped.
    """

    def __init__(self, distiller: Any, noise: NoiseStream, initial_step: int):
        super().__init__()
        self.distiller, self.noise, self.skipped = distiller, noise, initial_step
        self.epoch, self.started, self.classes_checked = 0, False, False

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Keeps the running means of the interrupted epoch, which Keras is about to reset."""
        self.initial_means = [ops.copy(variable.value) for variable in self.distiller.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Sets the step that the noise starts from, and restores the running means of an interrupted epoch."""
        if self.started:
            self.skipped = 0
        else:
            self.noise.first_step, self.started = epoch * self.noise.steps_per_epoch + self.skipped, True
            self._restore_means()
        self.epoch = epoch
        self.on_train_batch_begin(0)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Sets the position of the step to be made."""
        kind = SKIPPED if batch < self.skipped else self.distiller.schedule.step_kind(self.epoch, batch)
        self.distiller.position = Position(self.epoch, batch, kind)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Names the classes that are missing in the replay buffer, once it is full."""
        if self.classes_checked or not self.distiller.replay.keeps_images:
            return
        replay = self.model.replay  # whose variables Keras brings up to date for a callback's model
        self.classes_checked = replay.stored == replay.capacity
        missing = np.flatnonzero(array_of(replay.class_counts) == 0)
        if self.classes_checked and len(missing):
            logger.warning(
                "the replay buffer is full, and %d classes are in none of its %d images (%s): the student learns "
                "nothing of what it never sees.",
                len(missing),
                replay.stored,
                ", ".join(map(str, missing[:SHOWN_CLASSES])) + (", ..." if len(missing) > SHOWN_CLASSES else ""),
            )

    def _restore_means(self) -> None:
        if self.skipped:
            for variable, value in zip(self.distiller.metrics_variables, self.initial_means, strict=True):
                variable.assign(value)
