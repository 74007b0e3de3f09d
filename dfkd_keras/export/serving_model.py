"""A student with its preprocessing: what every export contains, and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.backend.precision import dtype_policy_scope
from dfkd_keras.images import Normalization, Space, check_space
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
        student: A Keras model that returns logits.
        normalization: Normalization of the task, for a student that takes normalized images. Defaults to None.
        input_space: String. The space of the student's images, "unit" or "normalized". Defaults to "unit".
        dtype: String. Type of the images, which are from 0 to 255: "uint8", or "float32" for a converter that quantizes
            them itself. Defaults to "uint8".
        image_shape: Tuple of integers. Height, width and channels of the images, for a student whose input shape is not
            fixed. Defaults to None, the student's own.

    Returns:
        A Keras model from images `[B, H, W, C]` to float32 `{"logits": [B, K], "probabilities": [B, K]}`; for a
        segmenter `[B, H, W, K]`.
    """
    images = layers.Input(image_shape or student.input_shape[1:], dtype=dtype, name="images")
    unit = layers.Rescaling(1.0 / 255.0, dtype="float32")(images)
    logits = ops.cast(student(_inputs(unit, normalization, input_space), training=False), "float32")
    return keras.Model(images, {"logits": logits, "probabilities": ops.softmax(logits, axis=-1)})


def _inputs(unit: Any, normalization: Normalization | None, input_space: Space) -> Any:
    return unit if input_space == "unit" else (normalization or Normalization()).normalize(unit)


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a float32 copy of a mixed precision model, with the same weights; any other model as it is.

    Half precision is for training: runtimes round it differently, and some converters do not support it.
    """
    layers_in_model = flatten_layers(model)
    if not any(layer.dtype_policy.name.startswith("mixed_") for layer in layers_in_model):
        return model
    config = _without_mixed_precision(keras.saving.serialize_keras_object(model))
    classes = {type(layer).__name__: type(layer) for layer in layers_in_model}
    with dtype_policy_scope("float32"):  # for layers that are created by other layers
        copy = keras.saving.deserialize_keras_object(config, classes, safe_mode=False)  # its code runs already
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
    """A student and what is needed to serve it.

    A student that was trained in mixed precision is served in float32.

    Args:
        model: A built Keras model that returns logits.
        normalization: Normalization of the task, for a student that takes normalized images. Defaults to None.
        input_space: String. The space of the student's images, "unit" or "normalized". Defaults to "unit".
        class_names: List of strings, one per class in the order of the outputs. Defaults to None, no names.
        image_shape: Tuple of integers. Height, width and channels of the images, for a subclassed student or one that
            takes images of any size. Defaults to None, the model's own.

    Raises:
        InvalidInputError: If the number of names is not that of the classes, the shape of the images or their space is
            unknown, or the backend is not TensorFlow.
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
        check_space("ServedStudent.input_space", self.input_space)
        shape = tuple(self.image_shape or getattr(self.model, "input_shape", (None,) * 4)[1:])
        if None in shape:
            raise InvalidInputError(
                f"student {self.model.name!r} has no fixed image shape {shape}: give image_shape, such as (32, 32, 3)."
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
        """Returns the student with its preprocessing, as `serving_model` makes it."""
        return serving_model(self.model, self.normalization, self.input_space, dtype, self.image_shape)

    def logits(self, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """Returns the logits of the Keras student itself, float32 `[N, ..., K]`, for uint8 images `[N, H, W, C]`."""
        unit = images.astype(np.float32) / np.float32(255.0)
        inputs = _inputs(unit, self.normalization, self.input_space)
        batches = np.split(inputs, range(batch_size, len(inputs), batch_size))
        logits = [ops.convert_to_numpy(self.model(batch, training=False)) for batch in batches]
        return np.concatenate(logits).astype(np.float32)
