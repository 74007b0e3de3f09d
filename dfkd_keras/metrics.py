"""How good a student is, on real images."""

import keras
import numpy as np
from keras import ops


def predicted_classes(model: keras.Model, inputs: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Returns the class with the largest output.

    Args:
        model: gives logits or probabilities, class axis last.
        inputs: `[N, H, W, C]` as the model takes them.
        batch_size: images at a time.

    Returns:
        Integers `[N]`, or `[N, H, W]` for a segmenter.
    """
    classes = [
        ops.convert_to_numpy(ops.argmax(model(inputs[start : start + batch_size], training=False), axis=-1))
        for start in range(0, len(inputs), batch_size)
    ]
    return np.concatenate(classes)


def agreement(classes: np.ndarray, others: np.ndarray) -> float:
    """Returns the fraction of equal entries: of predictions and labels, the accuracy."""
    return float(np.mean(classes == others))
