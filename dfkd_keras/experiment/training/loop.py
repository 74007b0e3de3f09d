"""The training of a run: resumed from its last checkpoint, and tried again after a loss that is not finite."""

import gc
import logging
from collections.abc import Callable
from typing import NamedTuple

from dfkd_keras.backend import distribution
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.run_directory import Checkpoint, CheckpointFolder, History, RunDirectory
from dfkd_keras.experiment.training.attempt import Attempt
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.experiment.training.settings import TrainingSettings

RETRY_FACTOR = 0.5  # of the learning rates, after a loss that was not finite
logger = logging.getLogger(__name__)


class TrainingResult(NamedTuple):
    """A trained distiller and how its training went.

    Attributes:
        distiller: `DataFreeDistiller`, trained.
        history: `History` of the epochs.
        steps: Integer. Training steps made, over all calls.
        stopped_by: String or None. What ended the training before its last epoch: "max_minutes", "early_stopping" or
            "callback". None if all epochs were completed.
        learning_rate_factor: Float. 1, or 0.5 after a loss that was not finite.
        seconds_before: Float. Training time of earlier calls, in seconds.
    """

    distiller: DataFreeDistiller
    history: History
    steps: int
    stopped_by: str | None
    learning_rate_factor: float
    seconds_before: float


def train(
    settings: TrainingSettings,
    build: Callable[[], DataFreeDistiller],
    run: RunDirectory,
    evaluated: Evaluation,
    preemption: Preemption,
) -> TrainingResult:
    """Trains a distiller, or resumes its training.

    After a loss that is not finite, the training is tried once more from the last checkpoint, at half the learning
    rates.

    Args:
        settings: `TrainingSettings`. How the training is evaluated, recorded, saved and ended.
        build: Callable without arguments. Returns the compiled distiller of an attempt. It keeps none, so that the
            memory of the first attempt is free for the second one.
        run: `RunDirectory`. The folder of the run.
        evaluated: `Evaluation`. What the student is evaluated on.
        preemption: `Preemption`. Tells whether the process was asked to stop.

    Returns:
        `TrainingResult`.

    Raises:
        NonFiniteLossError: If a loss is not finite the second time either.
        Preempted: If the process was asked to stop. The state is saved.
    """

    def attempt(factor: float) -> Attempt:
        return Attempt(settings, build(), evaluated, run, preemption, factor)

    checkpoint = latest_common_checkpoint(run.checkpoints)
    factor = checkpoint.metadata["learning_rate_factor"] if checkpoint else 1.0
    first = attempt(factor)
    history = first.history
    try:
        return _result(first, checkpoint, history)
    except FloatingPointError as error:
        if factor < 1.0:
            raise
        logger.warning("%s Trying again from there at half the learning rates.", str(error))
    del first
    gc.collect()  # models are cycles
    return _result(attempt(RETRY_FACTOR), latest_common_checkpoint(run.checkpoints), history)


def _result(attempt: Attempt, checkpoint: Checkpoint | None, first_history: History) -> TrainingResult:
    steps, stopped_by = attempt.run(checkpoint)
    before = first_history.seconds_before  # the second attempt's history counts the first one's steps as earlier
    return TrainingResult(attempt.distiller, attempt.history, steps, stopped_by, attempt.learning_rate_factor, before)


def latest_common_checkpoint(checkpoints: CheckpointFolder) -> Checkpoint | None:
    """Returns the newest checkpoint that all workers have, and removes later ones.

    A worker that was replaced may have fewer than the others. If one has none, for instance on a new disk, all start
    over.
    """
    newest = checkpoints.newest()
    steps = distribution.all_reduce_min(newest.steps if newest else 0)
    if newest and not steps:
        logger.warning("another worker has no checkpoint: starting over, not after step %d.", newest.steps)
    chosen = newest if newest is None or newest.steps == steps else checkpoints.after(steps) if steps else None
    checkpoints.remove_after(steps)
    return chosen
