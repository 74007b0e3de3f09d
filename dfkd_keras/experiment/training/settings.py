"""What a training reads of the experiment that it is part of."""

import dataclasses
from collections.abc import Sequence

import keras

from dfkd_keras.experiment.training.early_stopping import AgreementEarlyStopping


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a training is evaluated, recorded, saved and ended.

    Args:
        evaluate_every_epochs: Integer. Evaluates the student on test images this often. Defaults to 1.
        images_every_epochs: Integer. Draws synthetic images this often, in epochs of synthesis. Defaults to 1.
        checkpoint_every_epochs: Integer. Saves the complete state this often. Defaults to 1.
        early_stopping: `AgreementEarlyStopping`. Ends the training at a plateau. Defaults to None, no early stopping.
        callbacks: Sequence of Keras callbacks, in addition to those of the run. Defaults to none.
        max_minutes: Float. Training time at which the training ends, over all calls. Defaults to None, no limit.
    """

    evaluate_every_epochs: int = 1
    images_every_epochs: int = 1
    checkpoint_every_epochs: int = 1
    early_stopping: AgreementEarlyStopping | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    max_minutes: float | None = None
