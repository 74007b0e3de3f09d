"""A student with its preprocessing: what every export contains, and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.backend.precision import dtype_policy_scope
from dfkd_keras.images import InputConvention
from dfkd_keras.models.weights import copy_weights
from dfkd_keras.teacher.model_checks import input_image_shape, own_input_shape, random_outputs
from dfkd_keras.teacher.outputs import Outputs, to_logits
from dfkd_keras.utils.checks import check_choices
from dfkd_keras.utils.errors import DFKDError, InvalidInputError

HALF_PRECISION = 0.25  # of the largest output; deep networks in bfloat16 round by some percent


def serving_model(
    student: keras.Model,
    inputs: InputConvention | None = None,
    outputs: Outputs = "logits",
    dtype: Literal["uint8", "float32"] = "uint8",
    image_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Wraps a student with its preprocessing.

    Args:
        student: A Keras model.
        inputs: `InputConvention`. How the student takes its images. Defaults to None, in [0, 1] and
            in the shape of its input.
        outputs: String. What the student returns, as in `dfkd_keras.Teacher`. Defaults to "logits".
        dtype: String. Type of the images, which are from 0 to 255: "uint8", or "float32" for a converter that quantizes
            them itself. Defaults to "uint8".
        image_shape: Tuple of integers. Height, width and channels of the images, for a student whose input shape is not
            fixed. Defaults to None, the student's own.

    Returns:
        A Keras model from images `[B, H, W, C]` to float32 `{"logits": [B, K], "probabilities": [B, K]}`; for a
        segmenter `[B, H, W, K]`. The probabilities of a student with a sigmoid for each class do not sum to 1.

    Example:
        >>> outputs = dk.export.serving_model(student)(np.zeros((1, 32, 32, 1), "uint8"))
        >>> sorted(outputs)
        ['logits', 'probabilities']
    """
    inputs = inputs or InputConvention(shape=own_input_shape(student))
    images = layers.Input(image_shape or input_image_shape(student), dtype=dtype, name="images")
    unit = layers.Rescaling(1.0 / 255.0, dtype="float32")(images)
    returned = student(inputs.from_unit(unit), training=False)
    logits = to_logits(returned, outputs)
    by_class = outputs == "sigmoid" and returned.shape[-1] > 1  # several classes may be there at once
    probabilities = ops.sigmoid(logits) if by_class else ops.softmax(logits, axis=-1)
    return keras.Model(images, {"logits": logits, "probabilities": probabilities})


def in_float32(model: keras.Model, image_shape: tuple[int, int, int] | None = None) -> keras.Model:
    """Returns a float32 copy of a mixed precision model, with the same weights; any other model as it is.

    Half precision is for training: runtimes round it differently, and some converters do not support it.

    Args:
        model: Keras model.
        image_shape: Tuple of integers, of a subclassed model. Defaults to None, the model's own.

    Raises:
        DFKDError: If the copy computes something else, because a layer's weights are not all that it knows.
    """
    layers_in_model = flatten_layers(model)
    if not any(layer.dtype_policy.name.startswith("mixed_") for layer in layers_in_model):
        return model
    config = _without_mixed_precision(keras.saving.serialize_keras_object(model))
    classes = {type(layer).__name__: type(layer) for layer in layers_in_model}
    with dtype_policy_scope("float32"):  # for layers that are created by other layers
        copy = keras.saving.deserialize_keras_object(config, classes, safe_mode=False)  # its code runs already
    copy_weights(model, copy)
    here, there = (random_outputs(each, image_shape or input_image_shape(model)) for each in (model, copy))
    if np.abs(here - there).max() > HALF_PRECISION * max(1.0, np.abs(here).max()):
        raise DFKDError(
            f"the copy of {model.name!r} in float32 computes something else: save the model in float32, or let the "
            "layers that keep more than weights know it after `set_weights` (`finalize_state`)."
        )
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
        model: A built Keras model.
        inputs: `InputConvention`. How it takes its images. Defaults to None, in [0, 1] and in the shape of its input.
        outputs: String. What it returns, as in `dfkd_keras.Teacher`. Defaults to "logits".
        class_names: List of strings, one per class in the order of the outputs. Defaults to None, no names.
        image_shape: Tuple of integers. Height, width and channels of the images, for a subclassed student or one that
            takes images of any size. Defaults to None, the model's own.

    Raises:
        InvalidInputError: If the number of names is not that of the classes, a name is no text, the shape of the images
            is unknown, or the backend is not TensorFlow.

    Example:
        >>> served = dk.export.ServedStudent(student, class_names=[str(digit) for digit in range(10)])
        >>> served.image_shape
        (32, 32, 1)
    """

    model: keras.Model
    inputs: InputConvention | None = None
    outputs: Outputs = "logits"
    class_names: Sequence[str] | None = None
    image_shape: tuple[int, int, int] | None = None

    def __post_init__(self):
        if keras.backend.backend() != "tensorflow":
            raise InvalidInputError(
                f"an export needs the TensorFlow backend, not {keras.backend.backend()!r}: save the student as .keras "
                "and export it with KERAS_BACKEND=tensorflow."
            )
        check_choices("ServedStudent", get_args(Outputs), outputs=self.outputs)
        shape = tuple(self.image_shape or (None,) * 3)
        if not self.image_shape and hasattr(self.model, "input_shape"):
            shape = input_image_shape(self.model)
        if None in shape:
            raise InvalidInputError(
                f"student {self.model.name!r} has no fixed image shape {shape}: give image_shape, such as (32, 32, 3)."
            )
        object.__setattr__(self, "image_shape", shape)
        object.__setattr__(self, "model", in_float32(self.model, shape))
        object.__setattr__(self, "inputs", self.inputs or InputConvention(shape=own_input_shape(self.model)))
        classes = self.network().output["logits"].shape[-1]
        if self.class_names is not None:
            object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
            self._check_names(classes)

    def network(self, dtype: Literal["uint8", "float32"] = "uint8") -> keras.Model:
        """Returns the student with its preprocessing, as `serving_model` makes it."""
        return serving_model(self.model, self.inputs, self.outputs, dtype, self.image_shape)

    def logits(self, images: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """Returns the logits of the Keras student itself, float32 `[N, ..., K]`, for uint8 images `[N, H, W, C]`."""
        unit = images.astype(np.float32) / np.float32(255.0)
        inputs = ops.convert_to_numpy(self.inputs.from_unit(unit))
        batches = np.split(inputs, range(batch_size, len(inputs), batch_size))
        outputs = np.concatenate([ops.convert_to_numpy(self.model(batch, training=False)) for batch in batches])
        return ops.convert_to_numpy(to_logits(outputs, self.outputs))

    def _check_names(self, classes: int) -> None:
        if len(self.class_names) != classes:
            raise InvalidInputError(
                f"class_names has {len(self.class_names)} names, but student {self.model.name!r} has {classes} "
                "classes: give one name per class, in the order of its outputs."
            )
        # The name of a folder may be of bytes that are no text.
        if wrong := [name for name in self.class_names if name.encode(errors="ignore").decode() != name]:
            raise InvalidInputError(f"class_names holds {wrong[0]!r}, which is no text: rename the class.")
