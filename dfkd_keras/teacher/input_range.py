"""Estimates the value range of a model's input images, for models that come without a description."""

import math

import keras
import numpy as np
from keras import ops

from dfkd_keras.teacher.batch_statistics import BatchStatistics, batch_norms
from dfkd_keras.teacher.hooks import layers_in_order
from dfkd_keras.teacher.model_checks import probe_shape
from dfkd_keras.teacher.teacher import Teacher

# The factor and the offset that turn unit images into those of each range in use.
RANGES = {
    "in [0, 1]": (1.0, 0.0),
    "in [-1, 1]": (2.0, -1.0),
    "in [0, 255]": (255.0, 0.0),
    "of mean 0 and deviation 1": (4.0, -1.9),
}


def guess_input_range(teacher: Teacher) -> str | None:
    """Returns the range of a model's input images, as far as its layers show it.

    Its own preprocessing layer comes first; else, the range is taken whose images give its first BatchNorm layer the
    statistics that are closest to its moving ones.

    Args:
        teacher: `Teacher`. The model, which takes its images as they are.

    Returns:
        String in words, such as "in [0, 255]"; None if the model has neither kind of layer.
    """
    for layer in layers_in_order(teacher.model):
        if isinstance(layer, keras.layers.Rescaling):
            return _range_of_mean(0.5 * (1.0 - np.mean(layer.offset)) / np.mean(layer.scale))
        if isinstance(layer, keras.layers.Normalization):
            return _range_of_mean(np.mean(layer.mean))
    if not batch_norms(teacher.model):
        return None
    unit = _smooth_images(probe_shape(teacher.image_shape, 16))
    teacher.record(("batch_statistics",))
    distances = {
        name: _distance(teacher(factor * unit + offset).batch_statistics[0])
        for name, (factor, offset) in RANGES.items()
    }
    likely = [name for name, distance in distances.items() if distance < 1.5 * min(distances.values())]
    return " or ".join(likely) + ", by its first BatchNorm layer"


def _range_of_mean(mean: float) -> str:
    return "in [0, 255]" if mean > 2.0 else "in [0, 1]"


def _distance(statistics: BatchStatistics) -> float:
    """Returns how far a layer's statistics of a batch are from its moving ones."""
    mean, variance, moving_mean, moving_variance = (ops.convert_to_numpy(part) + 1e-3 for part in statistics)
    spread = np.abs(np.log(variance / moving_variance)).mean()
    return float(spread + (np.abs(mean - moving_mean) / np.sqrt(moving_variance + variance)).mean())


def _smooth_images(shape: list[int]) -> np.ndarray:
    """Returns unit images whose neighboring pixels are alike, as in photographs."""
    count, height, width, channels = shape
    coarse = np.random.default_rng(0).beta(1.5, 1.8, (count, math.ceil(height / 8), math.ceil(width / 8), channels))
    enlarged = ops.image.resize(coarse.astype("float32"), (height, width), "bilinear", data_format="channels_last")
    return ops.convert_to_numpy(enlarged)
