"""The losses in the middle of an epoch."""

import time

import keras

from dfkd_keras.backend.distribution import any_across_workers
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.training.recording import drop_idle_losses


class RunningMeans(keras.callbacks.Callback):
    """Reads the epoch's running means now and then, because reading waits until the device has made the step.

    It does so where the kind of steps changes too. Placed before the recorder, it thus makes its clocks count the time
    of each side, which the mere calls of an accelerator's steps would not.

    Args:
        distiller: which is trained.
        every_seconds: at most, how long it waits before it reads again.

    Attributes:
        latest: the means of the sides that the present kind of step updates, by name; none if they were not read after
            this step.
    """

    def __init__(self, distiller: DataFreeDistiller, every_seconds: float = 0.5):
        super().__init__()
        self.distiller, self.every_seconds = distiller, every_seconds
        self.epoch, self.read_at, self.latest = 0, 0.0, {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads, if it is time."""
        kind, after, self.latest = self.distiller.updates, batch + 1, {}
        if self.distiller.schedule.step_kind(self.epoch, batch) != kind:
            return  # a step that a resumed training passes over
        changes = after == self.params["steps"] or self.distiller.schedule.step_kind(self.epoch, after) != kind
        # Several machines read together or not at all, because the means are those of all.
        if changes or any_across_workers(time.perf_counter() - self.read_at >= self.every_seconds):
            # `model`, unlike `distiller`, has its state up to date on JAX.
            self.latest = drop_idle_losses(self.model, self.model.running_means(), kind)
            self.read_at = time.perf_counter()
