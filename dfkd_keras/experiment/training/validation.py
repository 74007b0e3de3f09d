"""What a student is evaluated on while it is trained."""

from typing import Any

import numpy as np

from dfkd_keras.backend.distribution import shard_count
from dfkd_keras.data import Split
from dfkd_keras.metrics import IGNORED, evaluation_batch_size
from dfkd_keras.teacher.teacher import Teacher


def validation(test: Split, teacher: Teacher) -> dict[str, Any]:
    """Returns the arguments of `fit` for real images, in batches that all devices can share equally.

    Args:
        test: the images, and their labels or masks.
        teacher: tells what networks take.
    """
    inputs, labels = np.asarray(teacher.to_inputs(test.unit_images, "unit")), test.labels
    missing, at_a_time = -len(labels) % shard_count(), evaluation_batch_size(inputs.shape)
    data = inputs, labels
    if missing:  # the last image again, which does not count
        counts = np.arange(len(labels) + missing) < len(labels)
        inputs, labels = (np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) for rows in data)
        if teacher.is_segmenter:
            data = inputs, np.where(counts[:, None, None], labels, IGNORED)
        else:
            data = inputs, labels, counts.astype("float32")
    return {"validation_data": data, "validation_batch_size": at_a_time + -at_a_time % shard_count()}
