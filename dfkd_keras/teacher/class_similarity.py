"""Class similarity of ZSKD (Nayak et al., ICML 2019): how similar a teacher's classes are."""

from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError


def class_similarity(teacher: Teacher) -> Any:
    """Returns how similar the teacher's classes are: the cosine of their weights in the last dense layer.

    Each row is then scaled to [0, 1], where the class itself has 1.

    Args:
        teacher: `Teacher`. Its logits are those of a dense layer.

    Returns:
        Float32 tensor `[K, K]`, a row per class.

    Raises:
        InvalidInputError: If the teacher's logits are not those of a dense layer.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks", ICML 2019, section 3.2.
    """
    weights = ops.cast(_logits_layer(teacher).kernel, "float32")
    weights = weights / ops.sqrt(ops.sum(ops.square(weights), axis=0, keepdims=True))
    cosines = ops.matmul(ops.transpose(weights), weights)
    low, high = ops.min(cosines, axis=1, keepdims=True), ops.max(cosines, axis=1, keepdims=True)
    return (cosines - low) / (high - low)


def check_class_similarity(teacher: Teacher) -> None:
    """Raises `InvalidInputError` unless the teacher has a class similarity, finite for every pair of classes."""
    if teacher.is_segmenter:
        raise InvalidInputError(
            f"model {teacher.model.name!r} predicts a class for each pixel, not one for the image: use another method."
        )
    if not np.isfinite(ops.convert_to_numpy(class_similarity(teacher))).all():
        raise InvalidInputError(
            f"the last dense layer of the teacher {teacher.model.name!r} has a class whose weights are zero or equally "
            "similar to all others, so class similarity is undefined: use RandomClasses."
        )


def _logits_layer(teacher: Teacher) -> Any:
    try:
        layer = teacher.logits_layer
    except InvalidInputError as error:
        raise InvalidInputError(
            f"class similarity needs the teacher's last dense layer, but {teacher.model.name!r} has none: use "
            "RandomClasses."
        ) from error
    if len(layer.kernel.shape) > 2 or layer.kernel.shape[1] != teacher.num_classes:
        raise InvalidInputError(
            f"class similarity needs a last dense layer with one output per class, but {layer.name!r} has a kernel of "
            f"{tuple(layer.kernel.shape)} and the teacher {teacher.num_classes} classes: use RandomClasses."
        )
    return layer
