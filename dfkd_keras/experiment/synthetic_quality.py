"""The quality of a run's synthetic images, in the feature space of its teacher or of any other network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.data import Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import ESTIMATED_AGREEMENT, Evaluation
from dfkd_keras.metrics import evaluation_batch_size, image_quality
from dfkd_keras.teacher.cost import multiplications
from dfkd_keras.teacher.features import PENULTIMATE, add_feature_hooks
from dfkd_keras.teacher.hooks import ForwardHooks
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

MOST_IMAGES, FEWEST_IMAGES = 512, 64
FEWEST_LARGE, MOST_PIXELS = 8, 2**24  # of images that are large
MULTIPLICATIONS = 2e10  # for as many images, so that it takes a few seconds
Outputs = Callable[[np.ndarray], tuple[Any, Any]]


def synthetic_quality(
    distiller: DataFreeDistiller, evaluated: Evaluation, network: keras.Model | None = None
) -> dict[str, Any]:
    """Measures the images that a student was trained on; see `metrics.image_quality`.

    Args:
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`. Its images are compared with, if they are real and enough.
        network: Keras model from unit images `[B, H, W, C]` to features. Defaults to None, the teacher's penultimate
            layer, or its logits where this layer is not known.

    Returns:
        Dictionary: the figures, "images", the number of images on either side, and "features", what they are features
        of.
    """
    teacher, real = distiller.teacher, evaluated.split.images
    count = _affordable(network or teacher.model, real.shape[1:])
    if has_real := evaluated.metric != ESTIMATED_AGREEMENT and len(real) >= 2 * FEWEST_IMAGES:
        count = min(count, len(real) // 2)
    synthetic = distiller.replay.preview(count, distiller)
    if len(synthetic) < 2:
        return {}
    name, outputs = _outputs_of(teacher, network)
    of_synthetic, of_real = _described(synthetic, outputs), None
    if has_real:  # in an order without meaning, since data sets may be sorted by class
        chosen = np.random.default_rng(0).permutation(len(real))[: 2 * len(synthetic)]
        of_real = _described(Split(real[chosen], None).unit_images, outputs)
    if not all(np.isfinite(features).all() for features, _ in filter(None, (of_synthetic, of_real))):
        return {}
    return {"images": len(synthetic), "features": name, **image_quality(of_synthetic, of_real)}


def _described(images: np.ndarray, outputs: Outputs) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the features of images, averaged over their positions, and a classifier's probabilities for them."""
    size, described, probabilities = evaluation_batch_size(images.shape), [], []
    for start in range(0, len(images), size):
        features, logits = outputs(images[start : start + size])
        described.append(_flat(ops.convert_to_numpy(features)))
        if len(logits.shape) == 2:  # not a segmenter's, for pixels
            probabilities.append(ops.convert_to_numpy(ops.softmax(logits)))
    return np.concatenate(described), np.concatenate(probabilities) if probabilities else None


def _outputs_of(teacher: Teacher, network: keras.Model | None) -> tuple[str, Outputs]:
    """Returns the name of the features, and the function from images to features and to the teacher's logits."""
    if network is not None:
        return network.name, lambda images: (network(images, training=False), teacher(images).logits)
    hooks, name = ForwardHooks(), PENULTIMATE
    try:
        add_feature_hooks(hooks, teacher.model, [PENULTIMATE], teacher.image_shape)
    except InvalidInputError:
        name = "logits"

    def outputs(images: np.ndarray) -> tuple[Any, Any]:
        with hooks.recording() as kept:
            logits = teacher(images).logits
        return kept.get(PENULTIMATE, logits), logits

    return name, outputs


def _affordable(network: keras.Model, image_shape: tuple[int, int, int]) -> int:
    """Returns how many images to measure: fewer by a network that is slow or of unknown cost, and of large images."""
    known = multiplications(network, image_shape)
    count = np.clip(MULTIPLICATIONS // known if known else 0, FEWEST_IMAGES, MOST_IMAGES)
    return int(min(count, max(FEWEST_LARGE, MOST_PIXELS // (image_shape[0] * image_shape[1]))))


def _flat(features: np.ndarray) -> np.ndarray:
    return features if features.ndim == 2 else features.mean(axis=tuple(range(1, features.ndim - 1)))
