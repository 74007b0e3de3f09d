"""Evaluation metrics for classification and segmentation."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.utils.checks import same_shape, shown
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.finite import entry

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


def check_labels(owner: str, labels: Any, shape: tuple[int, ...], num_classes: int | None) -> None:
    """Checks that labels name a class for each image, or for each pixel.

    Args:
        owner: String. What the labels belong to, for the message.
        labels: Array.
        shape: Tuple of integers. `(N,)`, or `(N, H, W)` for masks, where `IGNORED` is allowed too.
        num_classes: Integer. Number of classes, K; None if it is not known.

    Raises:
        InvalidInputError: If they are of another shape, no whole numbers or out of range.
    """
    labels = np.asarray(labels)
    if labels.shape != tuple(shape):
        one_hot = " (one-hot labels become such by labels.argmax(axis=-1))" if labels.ndim > len(shape) else ""
        raise InvalidInputError(f"{owner} has labels of shape {labels.shape}: give them in the shape {shape}{one_hot}.")
    allowed = np.zeros(labels.shape, bool)
    if labels.dtype.kind in "iuf":
        allowed = (labels >= 0) & (labels < (num_classes or math.inf)) & (labels == np.round(labels))
        allowed |= (labels == IGNORED) & (len(shape) > 1)
    if not allowed.all():
        classes = f"from 0 to {num_classes - 1}" if num_classes else "of at least 0"
        counts_from_1 = labels.dtype.kind in "iuf" and (labels.min(), labels.max()) == (1, num_classes)
        remedy = " (these begin with 1: subtract it)" if counts_from_1 else ""
        raise InvalidInputError(
            f"{owner} has the label {entry(labels, ~allowed)}: give each as a whole number {classes}{remedy}."
        )


def check_validation_data(data: Any, teacher: Any) -> None:
    """Checks the images and labels that a student is to be measured on, before it is trained.

    Args:
        data: Tuple `(images, labels)`, maybe with weights. Of a `keras.utils.PyDataset` or a `tf.data.Dataset`, the
            first batch is checked, and of any other iterator nothing.
        teacher: `Teacher`. Its inputs and classes are the student's too.

    Raises:
        InvalidInputError: If images or labels are not what they should be.
    """
    batch = _first_batch(data)
    if batch is None:
        return
    if len(batch) not in (2, 3):
        raise InvalidInputError(f"validation_data has {len(batch)} parts: give (images, labels).")
    images, labels, *weights = map(np.asarray, batch)
    if images.dtype.kind not in "fiu" or not same_shape(images.shape[1:], teacher.input_shape):
        raise InvalidInputError(
            f"validation_data has images {images.dtype} {images.shape}: give numbers of shape "
            f"{('N', *teacher.input_shape)}."
        )
    count = len(images)
    if not count:
        raise InvalidInputError("validation_data has no image: give at least one, or no validation_data.")
    if any(weight.shape[:1] != (count,) for weight in weights):
        raise InvalidInputError(f"validation_data has weights of shape {weights[0].shape}: give one for each image.")
    shape = (count, *images.shape[1:3]) if teacher.is_segmenter else (count,)
    labels = labels.reshape(shape) if labels.shape == (*shape, 1) else labels
    check_labels("validation_data", labels, shape, teacher.num_classes)


def check_evaluated(images: Any, labels: Any, teacher: Any) -> None:
    """Checks the arguments of a distiller's `evaluate`.

    Args:
        images: Array; or a data set that has images and labels, with `labels=None`.
        labels: Array or None.
        teacher: `Teacher`, as for `check_validation_data`.

    Raises:
        InvalidInputError: If images or labels are missing, in a tuple, or not what they should be.
    """
    if images is None or (labels is None and isinstance(images, (tuple, list))):
        raise InvalidInputError(f"evaluate(x={shown(images)}): give images and labels, as evaluate(images, labels).")
    check_validation_data(images if labels is None else (images, labels), teacher)


def _first_batch(data: Any) -> Sequence[Any] | None:
    if isinstance(data, (tuple, list)):
        return data
    if hasattr(data, "shape"):  # images alone
        return (data,)
    if isinstance(data, keras.utils.PyDataset):
        return data[0]
    # What tf.data alone has; other iterators may be read only once.
    return next(data.as_numpy_iterator(), None) if hasattr(data, "as_numpy_iterator") else None


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
