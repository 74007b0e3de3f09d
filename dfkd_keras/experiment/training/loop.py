"""The training of a run: resumed where it was, watched, saved, ended when it should be."""

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from dfkd_keras.backend import distribution
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.training import recording
from dfkd_keras.experiment.training.checkpoints import Checkpoint, CheckpointFolder
from dfkd_keras.experiment.training.early_stopping import FRESH_AGREEMENT, StopAtPlateau
from dfkd_keras.experiment.training.history import History
from dfkd_keras.experiment.training.image_grids import ImageGrids
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.experiment.training.progress import ProgressBar
from dfkd_keras.experiment.training.running_means import RunningMeans
from dfkd_keras.experiment.training.stopping import Checkpoints, StopAtTime, StopOnNonFinite
from dfkd_keras.experiment.training.validation import validation
from dfkd_keras.optimizers import scale_learning_rate

if TYPE_CHECKING:
    from dfkd_keras.experiment.experiment import Experiment

RETRY_FACTOR = 0.5  # of the learning rates, once a loss was not finite
logger = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What may end a training before its last epoch.

    Attributes:
        preemption: the machine being taken away.
        max_minutes: of training in all; None for no limit.
    """

    preemption: Preemption
    max_minutes: float | None = None


class TrainingResult(NamedTuple):
    """What a training came to.

    Attributes:
        distiller: trained.
        history: of its epochs.
        steps: that it made in all.
        stopped_by: what ended it before its last epoch, "max_minutes" or "early_stopping"; None if nothing did.
        learning_rate_factor: 1, or 0.5 after a loss that was not finite.
        seconds_before: of training, by earlier calls.
    """

    distiller: DataFreeDistiller
    history: History
    steps: int
    stopped_by: str | None
    learning_rate_factor: float
    seconds_before: float


def train(
    experiment: "Experiment", distiller: DataFreeDistiller, run: RunDirectory, test: Split, limits: Limits
) -> TrainingResult:
    """Trains, or goes on; after a loss that is not finite once more, from the last checkpoint at half the rates.

    Args:
        experiment: what is trained.
        distiller: as the experiment builds it.
        run: where it is kept.
        test: real images to evaluate the student on.
        limits: what may end it.

    Raises:
        FloatingPointError: if a loss is not finite the second time.
        Preempted: if the run had to stop.
    """
    checkpoint = latest_common_checkpoint(run.checkpoints)
    factor = checkpoint.metadata["learning_rate_factor"] if checkpoint else 1.0
    training = Training(experiment, distiller, run, limits, factor)
    try:
        return training.run(test, checkpoint)
    except FloatingPointError as error:
        if factor < 1.0:
            raise
        logger.warning("%s Trying once more from there, at half the learning rates.", error)
    checkpoint = latest_common_checkpoint(run.checkpoints)
    trained = Training(experiment, experiment.build(), run, limits, RETRY_FACTOR).run(test, checkpoint)
    return trained._replace(seconds_before=training.history.seconds_before)


def latest_common_checkpoint(checkpoints: CheckpointFolder) -> Checkpoint | None:
    """Returns the newest checkpoint that all processes have that train together, and forgets later ones.

    One that was lost may have fewer; without any, such as on a new disk, all start over.
    """
    newest = checkpoints.newest()
    steps = distribution.all_reduce_min(newest.steps if newest else 0)
    if newest and not steps:
        logger.warning("another worker has no checkpoint: starting over, not after step %d.", newest.steps)
    chosen = newest if newest is None or newest.steps == steps else checkpoints.after(steps) if steps else None
    checkpoints.forget_after(steps)
    return chosen


class Training:
    """One attempt at the training of a run.

    Args:
        experiment: what is trained.
        distiller: as the experiment builds it.
        run: where it is kept.
        limits: what may end it.
        learning_rate_factor: of both sides' learning rates.
    """

    def __init__(
        self,
        experiment: "Experiment",
        distiller: DataFreeDistiller,
        run: RunDirectory,
        limits: Limits,
        learning_rate_factor: float,
    ):
        self.experiment, self.distiller, self.run_directory, self.limits = experiment, distiller, run, limits
        self.learning_rate_factor = learning_rate_factor
        measured = [f"val_{metric.name}" for metric in distiller.validation_metrics.metrics]
        measured += [FRESH_AGREEMENT] if experiment.early_stopping else []
        self.history = History(run.metrics, ["epoch", *recording.CLOCKS, *distiller.means, *measured])

    def run(self, test: Split, checkpoint: Checkpoint | None) -> TrainingResult:
        """Trains from a checkpoint on, or from the beginning, evaluating the student on the test images."""
        schedule = self.distiller.schedule
        steps = checkpoint.steps if checkpoint else 0
        epochs, initial_step = checkpoint.place(schedule.steps_per_epoch) if checkpoint else (0, 0)
        seconds = self._restore(checkpoint, initial_step)
        self.history.restart_after(epochs, seconds["seconds"])
        recorder = recording.Recorder(self.distiller, self.history, seconds)
        watchers = self._watchers(steps, recorder)
        limits = [watcher for watcher in watchers if isinstance(watcher, (StopAtPlateau, StopAtTime))]
        for limit in limits:  # at which the run may have been interrupted
            limit.stopped = limit.reached()
        if epochs < schedule.epochs and not any(limit.stopped for limit in limits):
            with self.limits.preemption.held():
                self.distiller.fit(
                    initial_epoch=epochs,
                    initial_step=initial_step,
                    **validation(test, self.distiller.teacher),
                    validation_freq=self._evaluated(),
                    callbacks=watchers,
                    verbose=0,
                )
        elif initial_step:  # an epoch that a limit cut short ends the history all the same
            self.history.append(self.history.cut or {"epoch": epochs + 1, **seconds})
        steps = watchers[-1].steps
        cut_short = steps < schedule.epochs * schedule.steps_per_epoch  # not just when it had made all of them
        stopped_by = next((limit.name for limit in limits if limit.stopped and cut_short), None)
        before = self.history.seconds_before
        return TrainingResult(self.distiller, self.history, steps, stopped_by, self.learning_rate_factor, before)

    def _restore(self, checkpoint: Checkpoint | None, initial_step: int) -> dict[str, float]:
        """Loads a checkpoint; returns the seconds of the epoch of which so many steps are made."""
        seconds, included = dict.fromkeys(recording.CLOCKS, 0.0), 1.0
        if checkpoint:
            self.distiller.load_weights(checkpoint.weights)
            included = checkpoint.metadata["learning_rate_factor"]
            if initial_step:
                seconds = checkpoint.metadata["seconds"]
                # The epoch's running means, which Keras does not save.
                for variable, value in zip(self.distiller.metrics_variables, checkpoint.metadata["means"], strict=True):
                    variable.assign(value)
            logger.info("resuming after step %d from %s", checkpoint.steps, checkpoint.weights)
        if self.learning_rate_factor != 1.0:
            for optimizer in (self.distiller.optimizer, *self.distiller.synthesizer.optimizers):
                scale_learning_rate(optimizer, self.learning_rate_factor, included)
        return seconds

    def _evaluated(self) -> list[int]:
        """Returns after which epochs the student is evaluated: one at rest stays as good as it was."""
        every, schedule = self.experiment.evaluate_every_epochs, self.distiller.schedule
        return [
            epoch for epoch in range(every, schedule.epochs + 1, every) if schedule.updates_in_epoch(epoch - 1).student
        ]

    def _watchers(self, steps: int, recorder: recording.Recorder) -> list[keras.callbacks.Callback]:
        """Returns the callbacks in their order: early stopping adds to what is recorded, saving comes last."""
        experiment, run, limits = self.experiment, self.run_directory, self.limits
        watchers, seconds_left, means = [], None, RunningMeans(self.distiller)
        if experiment.early_stopping:
            watchers.append(StopAtPlateau(experiment.early_stopping, self.history))
        watchers += [means, recorder, StopOnNonFinite(means)]
        if limits.max_minutes is not None:
            watchers.append(StopAtTime(limits.max_minutes, recorder))
            seconds_left = 60.0 * limits.max_minutes - self.history.seconds_before
        if keras.backend.backend() == "tensorflow":
            watchers.append(keras.callbacks.TensorBoard(str(run.tensorboard), write_graph=False))

        def metadata() -> dict[str, Any]:
            # A copy, because a strategy's variable that is summed on reading is no array.
            means = [ops.copy(variable.value) for variable in self.distiller.metrics_variables]
            means = [ops.convert_to_numpy(mean).tolist() for mean in means]
            return {"learning_rate_factor": self.learning_rate_factor, "seconds": recorder.seconds, "means": means}

        return [
            *watchers,
            ProgressBar(means, steps, seconds_left),
            ImageGrids(run, experiment.images_every_epochs, experiment.task.data.class_names),
            Checkpoints(run.checkpoints, experiment.checkpoint_every_epochs, steps, limits.preemption, metadata),
        ]
