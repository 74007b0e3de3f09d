"""How alike a teacher finds its classes: ZSKD's class similarity (Nayak et al., ICML 2019)."""

from typing import Any

from keras import ops

from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError


def class_similarity(teacher: Teacher) -> Any:
    """Returns how alike the teacher finds its classes, float32 `[K, K]`, each row from 0 to 1 (the class itself).

    The cosine of the classes' weights in the last dense layer, then each row scaled to [0, 1] (Nayak et al., 2019).
    """
    try:
        layer = teacher.logits_layer
    except ValueError as error:
        raise InvalidInputError(
            f"the class similarity needs the teacher's last dense layer, but {teacher.model.name!r} has none: use "
            "RandomClasses."
        ) from error
    weights = ops.cast(layer.kernel, "float32")
    if weights.shape[1] != teacher.num_classes:
        raise InvalidInputError(
            f"the class similarity needs a last dense layer of one output for each class, but {layer.name!r} has "
            f"{weights.shape[1]} and the teacher {teacher.num_classes} classes: use RandomClasses."
        )
    weights = weights / ops.sqrt(ops.sum(ops.square(weights), axis=0, keepdims=True))
    cosines = ops.matmul(ops.transpose(weights), weights)
    low, high = ops.min(cosines, axis=1, keepdims=True), ops.max(cosines, axis=1, keepdims=True)
    return (cosines - low) / (high - low)
