"""A student with its preprocessing: what every export writes, and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.backend.precision import dtype_policy_scope
from dfkd_keras.images import Normalization, Space
from dfkd_keras.utils.errors import InvalidInputError


def serving_model(
    student: keras.Model,
    normalization: Normalization | None = None,
    input_space: Space = "unit",
    dtype: Literal["uint8", "float32"] = "uint8",
    image_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Wraps a student with its preprocessing.

    Args:
        student: gives logits.
        normalization: of the task, needed for a student of normalized images.
        input_space: what the student takes, "unit" or "normalized".
        dtype: of the images, always from 0 to 255: "uint8" (default), or "float32" for a converter that quantizes
            them itself.
        image_shape: height, width and channels of the images, for a student that does not know them; its own by
            default.

    Returns:
        A model from images `[B, H, W, C]` to float32 `{"logits": [B, K], "probabilities": [B, K]}`; a segmenter's are
        `[B, H, W, K]`.
    """
    images = layers.Input(image_shape or student.input_shape[1:], dtype=dtype, name="images")
    unit = layers.Rescaling(1.0 / 255.0, dtype="float32")(images)
    inputs = (normalization or Normalization()).convert(unit, "unit", input_space)
    logits = ops.cast(student(inputs, training=False), "float32")
    return keras.Model(images, {"logits": logits, "probabilities": ops.softmax(logits, axis=-1)})


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a model that computes in float32 with the same weights, for one of mixed precision; others as they are.

    Half precision is for training: no two runtimes round it alike, and some converters do not know it.
    """
    if not any(layer.dtype_policy.name.startswith("mixed_") for layer in model._flatten_layers()):
        return model
    config = _without_mixed_precision(keras.saving.serialize_keras_object(model))
    known = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    with dtype_policy_scope("float32"):  # layers that others make have no precision of their own
        copy = keras.saving.deserialize_keras_object(config, known, safe_mode=False)  # its code is loaded already
    copy.set_weights(model.get_weights())
    return copy


def _without_mixed_precision(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy" and config["config"]["name"].startswith("mixed_"):
            return {**config, "config": {"name": "float32"}}
        return {key: _without_mixed_precision(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(map(_without_mixed_precision, config))
    return config


@dataclasses.dataclass(frozen=True)
class ServedStudent:
    """A student and what has to be known to serve it, in float32 if it was trained in mixed precision.

    Args:
        model: the student, built; gives logits.
        normalization: of the task, needed for a student of normalized images.
        input_space: what the student takes, "unit" (default) or "normalized".
        class_names: one per class; None where they are not known.
        image_shape: height, width and channels of the images, for a student that takes any size, or a subclassed one,
            which does not know its own.

    Raises:
        ValueError: if there are more or fewer names than classes, the images' shape is not known, or the backend is not
            TensorFlow.
    """

    model: keras.Model
    normalization: Normalization | None = None
    input_space: Space = "unit"
    class_names: Sequence[str] | None = None
    image_shape: tuple[int, int, int] | None = None

    def __post_init__(self):
        if keras.backend.backend() != "tensorflow":
            raise InvalidInputError(
                f"an export needs the TensorFlow backend, not {keras.backend.backend()!r}: save the student as .keras "
                "and export it with KERAS_BACKEND=tensorflow."
            )
        shape = tuple(self.image_shape or getattr(self.model, "input_shape", (None,) * 4)[1:])
        if None in shape:
            raise InvalidInputError(
                f"student {self.model.name!r} does not tell the size of its images {shape}: give image_shape, such as "
                "(32, 32, 3)."
            )
        object.__setattr__(self, "image_shape", shape)
        object.__setattr__(self, "model", in_float32(self.model))
        classes = self.model.compute_output_spec(keras.KerasTensor((None, *shape))).shape[-1]
        if self.class_names is not None and len(self.class_names) != classes:
            raise InvalidInputError(
                f"class_names has {len(self.class_names)} names, but student {self.model.name!r} has {classes} "
                "classes: give one name per class, in the order of its outputs."
            )

    def network(self, dtype: Literal["uint8", "float32"] = "uint8") -> keras.Model:
        """Returns the student with its preprocessing, see `serving_model`."""
        return serving_model(self.model, self.normalization, self.input_space, dtype, self.image_shape)

    def logits(self, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """Returns what the Keras student itself says of uint8 images `[N, H, W, C]`: float32 `[N, ..., K]`."""
        unit = images.astype(np.float32) / np.float32(255.0)
        inputs = (self.normalization or Normalization()).convert(unit, "unit", self.input_space)
        batches = np.split(inputs, range(batch_size, len(inputs), batch_size))
        logits = [ops.convert_to_numpy(self.model(batch, training=False)) for batch in batches]
        return np.concatenate(logits).astype(np.float32)
