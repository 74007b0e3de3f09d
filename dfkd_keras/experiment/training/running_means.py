"""Reads the losses within an epoch."""

import time

import keras

from dfkd_keras.backend.distribution import any_across_workers
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.training.recording import drop_idle_losses
from dfkd_keras.schedules.schedule import SKIPPED


class RunningMeans(keras.callbacks.Callback):
    """Reads the running means of the epoch from time to time, since each reading waits for the device.

    It also reads them where the kind of step changes. If it comes before the `Recorder`, the time of each side is
    therefore measured correctly: accelerators return from a call before they have made the step.

    Args:
        distiller: `DataFreeDistiller`. The model in training.
        every_seconds: Float. Seconds to wait at most before reading again. Defaults to 0.5.

    Attributes:
        latest: Dictionary. The means of the sides that the last step updated, by name. Empty if they were not read
            after that step.
    """

    def __init__(self, distiller: DataFreeDistiller, every_seconds: float = 0.5):
        super().__init__()
        self.distiller, self.every_seconds = distiller, every_seconds
        self.read_at, self.latest = 0.0, {}

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Reads the means if it is time."""
        (epoch, _, kind), following, self.latest = self.distiller.position, batch + 1, {}
        if kind == SKIPPED:
            return
        changes = following == self.params["steps"] or self.distiller.schedule.step_kind(epoch, following) != kind
        # All workers read at the same step or none does, because the means are those of all.
        if changes or any_across_workers(time.perf_counter() - self.read_at >= self.every_seconds):
            # On JAX, `model` brings the variables up to date, which `distiller` does not.
            self.latest = drop_idle_losses(self.model, self.model.running_means(), kind)
            self.read_at = time.perf_counter()
