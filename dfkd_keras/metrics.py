"""How good a student is, on real images."""

import keras
import numpy as np
from keras import ops

from dfkd_keras.data.dataset import Split


def predicted_classes(model: keras.Model, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Returns the class `[N]` (or `[N, H, W]`) with the largest output for images `[N, H, W, C]`."""
    outputs = [
        ops.convert_to_numpy(ops.argmax(model(images[start : start + batch_size], training=False), axis=-1))
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate(outputs)


def accuracy(model: keras.Model, split: Split, inputs: np.ndarray) -> float:
    """Returns the fraction of `split`'s labels that the model predicts from `inputs`."""
    return float(np.mean(predicted_classes(model, inputs) == split.labels))


def agreement(teacher: keras.Model, student: keras.Model, inputs: np.ndarray) -> float:
    """Returns the fraction of images for which both models predict the same class, right or wrong."""
    return float(np.mean(predicted_classes(teacher, inputs) == predicted_classes(student, inputs)))
