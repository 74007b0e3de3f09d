"""The images on which the student is evaluated during training."""

import logging
from typing import Any

import keras
import numpy as np

from dfkd_keras.backend.distribution import shard_count
from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT, Evaluation
from dfkd_keras.metrics import IGNORED, METRICS, agreement, evaluation_batch_size
from dfkd_keras.teacher.teacher import Teacher

logger = logging.getLogger(__name__)


class RenameMetrics(keras.callbacks.Callback):
    """Gives the metrics of validation the evaluation's names, before the other callbacks read them.

    Args:
        evaluated: `Evaluation`. What the student is evaluated on.
    """

    def __init__(self, evaluated: Evaluation):
        super().__init__()
        self.evaluated = evaluated

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Renames the metrics in the logs, which the following callbacks share."""
        renamed = self.evaluated.renamed(logs, "val_")
        logs.clear()
        logs.update(renamed)


def log_agreement(distiller: DataFreeDistiller, evaluated: Evaluation) -> None:
    """Logs on how many images student and teacher agree before training.

    Args:
        distiller: `DataFreeDistiller`.
        evaluated: `Evaluation` by the teacher's own predictions.
    """
    split, teacher = evaluated.split, distiller.teacher
    predicted = teacher.predict_classes(split.unit_images, distiller.student)
    share = agreement(predicted, split.labels)
    is_estimate = evaluated.metric == ESTIMATED_AGREEMENT
    fitted = "; it flatters a slim copy, which is fitted to such images" if is_estimate else ""
    logger.info("before training: %s %.2f%%%s", METRICS[evaluated.metric], 100 * share, fitted)


def validation(test: Split, teacher: Teacher) -> dict[str, Any]:
    """Returns the validation arguments of `fit`, in batches whose size is divisible by the number of devices.

    Args:
        test: `Split`. Real images, and their labels or masks.
        teacher: `Teacher`. Defines the input space of the networks.
    """
    inputs, labels = np.asarray(teacher.to_inputs(test.unit_images)), test.labels
    missing, batch_size = -len(labels) % shard_count(), evaluation_batch_size(test.images.shape)
    data = inputs, labels
    if missing:  # repeat the last image, with weight 0
        counts = np.arange(len(labels) + missing) < len(labels)
        inputs, labels = (np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) for rows in data)
        if teacher.is_segmenter:
            data = inputs, np.where(counts[:, None, None], labels, IGNORED)
        else:
            data = inputs, labels, counts.astype("float32")
    return {"validation_data": data, "validation_batch_size": batch_size + -batch_size % shard_count()}
