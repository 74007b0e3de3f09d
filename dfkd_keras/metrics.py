"""Evaluation metrics for classification and segmentation."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError

IGNORED = 255  # the label of a pixel of no class, which is neither trained on nor counted
METRICS = {  # names of scores in reports
    "accuracy": "accuracy",
    "mean_iou": "mean IoU",
    "agreement": "agreement with the teacher",
    "estimated_agreement": "estimated agreement with the teacher",
}
PIXELS_PER_BATCH = 256 * 32 * 32


def evaluation_batch_size(shape: tuple[int, ...]) -> int:
    """Returns the number of images to evaluate in one batch: 256 of 32x32 pixels, and fewer of larger ones.

    Args:
        shape: Tuple of integers `[..., H, W, C]`. Shape of the images.
    """
    return max(1, PIXELS_PER_BATCH // math.prod(shape[-3:-1]))


def predicted_classes(model: keras.Model | Callable, inputs: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Returns the class with the largest output.

    Args:
        model: A `keras.Model`, or a callable `(inputs, training)`. Returns logits or probabilities, class axis last.
        inputs: Float array of shape `[N, H, W, C]`, in the model's input space.
        batch_size: Integer. Images per batch. Defaults to `evaluation_batch_size`.

    Returns:
        Integer array of shape `[N]`, or `[N, H, W]` for a segmenter.
    """
    batch_size = batch_size or evaluation_batch_size(inputs.shape)
    classes = [
        ops.convert_to_numpy(ops.argmax(model(inputs[start : start + batch_size], training=False), axis=-1))
        for start in range(0, len(inputs), batch_size)
    ]
    return np.concatenate(classes)


def agreement(classes: np.ndarray, others: np.ndarray, labels: np.ndarray | None = None) -> float:
    """Returns the fraction of equal entries; for predictions and labels this is the accuracy.

    Args:
        classes: Integer array of shape `[N]`, or `[N, H, W]` for a segmenter.
        others: Integer array of the same shape.
        labels: Integer array of the same shape. Pixels labeled `IGNORED` are left out; labels of shape `[N]` leave
            nothing out. Defaults to `None`.

    Returns:
        Float in [0, 1].
    """
    if labels is not None:
        valid = valid_mask(labels)
        classes, others = classes[valid], others[valid]
    return float(np.mean(classes == others))


def valid_mask(labels: np.ndarray) -> np.ndarray:
    """Returns which labels count: all `[N]` of images, and those `[N, H, W]` of pixels that are not `IGNORED`."""
    return labels != IGNORED if labels.ndim > 1 else np.ones(labels.shape, bool)


def scores(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[str, float]:
    """Returns the metrics by name, the headline metric first.

    Args:
        predicted: Integer array of shape `[N]`, or `[N, H, W]` for a segmenter. Predicted classes.
        labels: Integer array of the same shape. Pixels labeled `IGNORED` are left out.
        num_classes: Integer. Number of classes, K.

    Returns:
        For a classifier, a dictionary with "accuracy". For a segmenter, one with "mean_iou", the mean of `class_ious`
        over the classes that occur, and "accuracy", that of pixels.
    """
    if labels.ndim == 1:
        return {"accuracy": agreement(predicted, labels)}
    ious, accuracy = class_ious(predicted, labels, num_classes), agreement(predicted, labels, labels)
    return {"mean_iou": float(np.nanmean(ious)), "accuracy": accuracy}


def class_ious(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the intersection over union of every class.

    Args:
        predicted: Integer array of shape `[N, H, W]`. Predicted classes.
        labels: Integer array of the same shape. Pixels labeled `IGNORED` are left out.
        num_classes: Integer. Number of classes, K.

    Returns:
        Float array of shape `[K]`: the pixels both labeled and predicted as a class, as a fraction of those labeled or
        predicted so; NaN for a class that is neither.
    """
    valid = valid_mask(labels)
    pairs = labels[valid].astype(np.int64) * num_classes + predicted[valid]
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    both, either = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


class PixelAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """The fraction of pixels predicted correctly, without those labeled `IGNORED`, as a Keras metric."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts a batch.

        Args:
            y_true: Integer tensor of shape `[B, H, W]`. Masks.
            y_pred: Float tensor of shape `[B, H, W, K]`. Logits or probabilities.
            sample_weight: Without effect.
        """
        return super().update_state(y_true, y_pred, ops.cast(ops.not_equal(y_true, IGNORED), "float32"))


def validation_metrics(num_classes: int, masks: bool, extra: Sequence[Any] = ()) -> list[keras.metrics.Metric]:
    """Returns the Keras metrics of validation: those of `scores`, in the same order, and then others.

    Args:
        num_classes: Integer. Number of classes, K.
        masks: Boolean. Whether labels are masks, with a class for each pixel.
        extra: List of metrics as in `keras.Model.compile`: Keras metrics, their names, or functions. They get labels
            and logits. Defaults to none.

    Returns:
        A list of `keras.metrics.Metric`.

    Raises:
        InvalidInputError: If two metrics have the same name.
    """
    built_in = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if masks:
        mean_iou = keras.metrics.MeanIoU(num_classes, name="mean_iou", ignore_class=IGNORED, sparse_y_pred=False)
        built_in = [mean_iou, PixelAccuracy(name="accuracy")]
    metrics = [*built_in, *map(_as_metric, extra)]
    names = [metric.name for metric in metrics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidInputError(
            f"metrics: {', '.join(sorted(repeated))} occurs twice; {', '.join(names[: len(built_in)])} is measured in "
            "any case, so leave it out or name yours differently."
        )
    return metrics


def _as_metric(metric: str | Callable | keras.metrics.Metric) -> keras.metrics.Metric:
    metric = keras.metrics.get(metric)
    if isinstance(metric, keras.metrics.Metric):
        return metric
    # A functools.partial, for instance, has no name of its own.
    return keras.metrics.MeanMetricWrapper(metric, name=getattr(metric, "__name__", type(metric).__name__))
