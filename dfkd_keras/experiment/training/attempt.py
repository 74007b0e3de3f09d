"""One attempt at the training of a run: state restored, callbacks put together, `fit` called."""

import logging
from typing import Any

import keras

from dfkd_keras.backend.state import array_of
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.image_grids import ImageGrids
from dfkd_keras.experiment.run_directory import Checkpoint, History, RunDirectory
from dfkd_keras.experiment.training.early_stopping import FRESH_AGREEMENT, StopAtPlateau
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.experiment.training.progress import ProgressBar
from dfkd_keras.experiment.training.recording import CLOCKS, Recorder
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.experiment.training.settings import TrainingSettings
from dfkd_keras.experiment.training.stopping import Checkpoints, StopAtTime, StopOnNonFinite
from dfkd_keras.experiment.training.tensorboard import tensorboard_callbacks
from dfkd_keras.experiment.training.validation import RenameMetrics, log_agreement, validation
from dfkd_keras.optimizers.rates import scale_learning_rate

logger = logging.getLogger(__name__)


class Attempt:
    """One attempt at the training of a run.

    Args:
        settings: `TrainingSettings`. How the training is evaluated, recorded, saved and ended.
        distiller: `DataFreeDistiller`, compiled.
        evaluated: `Evaluation`. What the student is evaluated on.
        run: `RunDirectory`. The folder of the run.
        preemption: `Preemption`. Tells whether the process was asked to stop.
        learning_rate_factor: Float. Factor of the learning rates of both sides.

    Attributes:
        history: `History` of the epochs.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        distiller: DataFreeDistiller,
        evaluated: Evaluation,
        run: RunDirectory,
        preemption: Preemption,
        learning_rate_factor: float,
    ):
        self.settings, self.distiller, self.run_directory, self.preemption = settings, distiller, run, preemption
        self.evaluated, self.learning_rate_factor = evaluated, learning_rate_factor
        measured = {f"val_{metric.name}": 0.0 for metric in distiller.validation_metrics.metrics}
        measured = [*evaluated.renamed(measured, "val_")]
        measured += [FRESH_AGREEMENT] if settings.early_stopping else []
        self.history = History(run.metrics, ["epoch", *CLOCKS, *distiller.means, *measured])

    def run(self, checkpoint: Checkpoint | None) -> tuple[int, str | None]:
        """Trains from a checkpoint on, or from the beginning, and evaluates the student.

        Returns:
            The number of steps made over all calls, and what ended the training early: "max_minutes",
            "early_stopping", "callback" or None.
        """
        schedule = self.distiller.schedule
        initial_steps = checkpoint.steps if checkpoint else 0
        epochs, initial_step = checkpoint.position(schedule.steps_per_epoch) if checkpoint else (0, 0)
        seconds = self._restore(checkpoint, initial_step)
        self.history.restart_after(epochs, seconds["seconds"])
        recorder = Recorder(self.distiller, self.history, seconds)
        callbacks = self._callbacks(initial_steps, recorder)
        limits = [callback for callback in callbacks if isinstance(callback, (StopAtPlateau, StopAtTime))]
        for limit in limits:  # the run may have been interrupted right at one
            limit.stopped = limit.reached()
        if checkpoint is None and not self.evaluated.has_truth:  # a slim student is good before it is trained
            log_agreement(self.distiller, self.evaluated)
        if epochs < schedule.epochs and not any(limit.stopped for limit in limits):
            with self.preemption.held():
                self.distiller.fit(
                    initial_epoch=epochs,
                    initial_step=initial_step,
                    **validation(self.evaluated.split, self.distiller.teacher),
                    validation_freq=self._evaluated_epochs(),
                    callbacks=callbacks,
                    verbose=0,
                )
        elif initial_step:  # a limit cut this epoch short: its row completes the history
            self.history.append(self.history.interrupted_row or {"epoch": epochs + 1, **seconds})
        steps = callbacks[-1].steps
        if steps >= schedule.epochs * schedule.steps_per_epoch:  # a limit reached with the last step ended nothing
            return steps, None
        return steps, next((limit.name for limit in limits if limit.stopped), "callback")

    def _restore(self, checkpoint: Checkpoint | None, initial_step: int) -> dict[str, float]:
        """Loads a checkpoint and returns the training time of the interrupted epoch, in seconds by side."""
        seconds, included = dict.fromkeys(CLOCKS, 0.0), 1.0
        if checkpoint:
            self.distiller.load_weights(checkpoint.weights)
            included = checkpoint.metadata["learning_rate_factor"]
            if initial_step:
                seconds |= checkpoint.metadata["seconds"]
                # Keras does not save the running means of the epoch.
                for variable, value in zip(self.distiller.metrics_variables, checkpoint.metadata["means"], strict=True):
                    variable.assign(value)
            logger.info("resuming after step %d from %s", checkpoint.steps, checkpoint.weights)
        if self.learning_rate_factor != 1.0:
            for optimizer in (self.distiller.optimizer, *self.distiller.synthesizer.optimizers):
                scale_learning_rate(optimizer, self.learning_rate_factor, included)
        return seconds

    def _evaluated_epochs(self) -> list[int]:
        """Returns after which epochs to evaluate the student; an epoch without student updates changes nothing."""
        every, schedule = self.settings.evaluate_every_epochs, self.distiller.schedule
        return [
            epoch for epoch in range(every, schedule.epochs + 1, every) if schedule.updates_in_epoch(epoch - 1).student
        ]

    def _callbacks(self, initial_steps: int, recorder: Recorder) -> list[keras.callbacks.Callback]:
        """Returns the callbacks in their order: early stopping adds to what is recorded, saving comes last."""
        settings, run = self.settings, self.run_directory
        callbacks, seconds_left, means = [RenameMetrics(self.evaluated)], None, RunningMeans(self.distiller)
        if settings.early_stopping:
            callbacks.append(StopAtPlateau(settings.early_stopping, self.history))
        callbacks += [means, recorder, StopOnNonFinite(means)]
        if settings.max_minutes is not None:
            callbacks.append(StopAtTime(settings.max_minutes, recorder))
            seconds_left = 60.0 * settings.max_minutes - self.history.seconds_before
        return [
            *callbacks,
            *settings.callbacks,
            ProgressBar(means, initial_steps, seconds_left),
            ImageGrids(run, settings.images_every_epochs, self.evaluated.class_names),
            *tensorboard_callbacks(run),
            Checkpoints(
                run.checkpoints,
                settings.checkpoint_every_epochs,
                initial_steps,
                self.preemption,
                lambda: self._metadata(recorder),
            ),
        ]

    def _metadata(self, recorder: Recorder) -> dict[str, Any]:
        means = [array_of(variable).tolist() for variable in self.distiller.metrics_variables]
        return {"learning_rate_factor": self.learning_rate_factor, "seconds": recorder.seconds, "means": means}
