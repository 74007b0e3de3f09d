"""How good a student is, on real images."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

IGNORED = 255  # the label of a pixel of no class, which is not trained on, nor counted
METRICS = {"accuracy": "accuracy", "mean_iou": "mean IoU"}  # what scores are called in reports
PIXELS_AT_A_TIME = 256 * 32 * 32


def evaluation_batch_size(shape: tuple[int, ...]) -> int:
    """Returns how many images of shape `[..., H, W, C]` to evaluate at once: 256 of 32x32, fewer of larger ones."""
    return max(1, PIXELS_AT_A_TIME // math.prod(shape[-3:-1]))


def predicted_classes(model: keras.Model, inputs: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Returns the class with the largest output.

    Args:
        model: gives logits or probabilities, class axis last.
        inputs: `[N, H, W, C]` as the model takes them.
        batch_size: images at a time; by default see `evaluation_batch_size`.

    Returns:
        Integers `[N]`, or `[N, H, W]` for a segmenter.
    """
    batch_size = batch_size or evaluation_batch_size(inputs.shape)
    classes = [
        ops.convert_to_numpy(ops.argmax(model(inputs[start : start + batch_size], training=False), axis=-1))
        for start in range(0, len(inputs), batch_size)
    ]
    return np.concatenate(classes)


def agreement(classes: np.ndarray, others: np.ndarray, labels: np.ndarray | None = None) -> float:
    """Returns the fraction of equal entries: of predictions and labels, the accuracy.

    Args:
        classes: `[N]`, or `[N, H, W]` of a segmenter.
        others: likewise.
        labels: masks `[N, H, W]` whose pixels labeled `IGNORED` are left out; labels `[N]` leave nothing out.
    """
    if labels is not None:
        counted = valid_mask(labels)
        classes, others = classes[counted], others[counted]
    return float(np.mean(classes == others))


def valid_mask(labels: np.ndarray) -> np.ndarray:
    """Returns which labels `[N]`, or `[N, H, W]` of pixels, count: all but pixels labeled `IGNORED`."""
    return labels != IGNORED if labels.ndim > 1 else np.ones(labels.shape, bool)


def scores(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[str, float]:
    """Returns what predictions are worth, by name, what is reported first being the first.

    Args:
        predicted: classes `[N]`, or `[N, H, W]` of a segmenter.
        labels: likewise; pixels labeled `IGNORED` do not count.
        num_classes: K.

    Returns:
        The "accuracy", of a segmenter that of pixels; before it, for a segmenter, "mean_iou": the mean over the classes
        of how many pixels are and are predicted of a class, as a fraction of those that are or are predicted so; a
        class that neither has is left out.
    """
    if labels.ndim == 1:
        return {"accuracy": agreement(predicted, labels)}
    ious, accuracy = class_ious(predicted, labels, num_classes), agreement(predicted, labels, labels)
    return {"mean_iou": float(np.nanmean(ious)), "accuracy": accuracy}


def class_ious(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns for each class `[K]` how many pixels are and are predicted of it, of those that are or are predicted so.

    Args:
        predicted: classes `[N, H, W]`.
        labels: likewise; pixels labeled `IGNORED` do not count.
        num_classes: K.

    Returns:
        Fractions; NaN for a class that neither has.
    """
    known = valid_mask(labels)
    pairs = labels[known].astype(np.int64) * num_classes + predicted[known]
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    both, either = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


class PixelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """The fraction of pixels predicted right, those labeled `IGNORED` left out, for `keras.Model.fit`."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts masks `[B, H, W]` and logits `[B, H, W, K]`; `sample_weight` has no effect."""
        return super().update_state(y_true, y_pred, ops.cast(ops.not_equal(y_true, IGNORED), "float32"))


def validation_metrics(num_classes: int, masks: bool) -> list[keras.metrics.Metric]:
    """Returns Keras metrics of logits that come to the same as `scores`, in its order.

    Args:
        num_classes: K.
        masks: whether labels are a class for each pixel.
    """
    if not masks:
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    mean_iou = keras.metrics.MeanIoU(num_classes, name="mean_iou", ignore_class=IGNORED, sparse_y_pred=False)
    return [mean_iou, PixelAccuracy(name="accuracy")]
