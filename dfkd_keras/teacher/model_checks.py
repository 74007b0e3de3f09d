"""Checks of a model's images and outputs, on random images where no attribute tells."""

import contextlib
import math
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.images import InputConvention, InputRange
from dfkd_keras.models.loading.image_network import check_scores, image_network
from dfkd_keras.teacher.outputs import Outputs, check_values, detect_outputs, last_activation
from dfkd_keras.utils.checks import check_kinds
from dfkd_keras.utils.errors import InvalidInputError


def own_network(model: keras.Model, image_shape: tuple[int | None, ...] | None = None) -> keras.Model:
    """Returns a trained model as one of images that gradients can reach, see `image_network`; itself where it is one.

    Args:
        model: Keras model, which need not know the shape of its images.
        image_shape: Tuple of three integers. Height, width and channels, where it does not. Defaults to None.

    Raises:
        InvalidInputError: If it is no model from images to a score for each class, or has channels first.
    """
    check_kinds("Teacher", keras.Model, model=model)
    with _named(model):
        network = image_network(model, image_shape=image_shape) if getattr(model, "inputs", None) else model
        check_layers(network)
        return network


@contextlib.contextmanager
def _named(model: keras.Model) -> Iterator[None]:
    """Raises an `InvalidInputError` whose message is a predicate with the model's name before it."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"model {model.name!r} {error}") from error


def check_layers(model: keras.Model) -> None:
    """Raises `InvalidInputError` unless a model works on channels last, can decide, and its weights are numbers."""
    if last_activation(model) == "softmax" and getattr(model, "output_shape", (None,))[-1] == 1:
        raise InvalidInputError(
            "ends in the softmax of a single value, which is always 1: replace it by a sigmoid and train it again."
        )
    for layer in flatten_layers(model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise InvalidInputError(
                f"has a layer {layer.name!r} with channels first, and only channels last is supported: build the model "
                "again with data_format='channels_last' and the same weights."
            )
    for variable in model.variables:
        if "float" in variable.dtype and not np.isfinite(ops.convert_to_numpy(ops.cast(variable, "float32"))).all():
            raise InvalidInputError(
                f"has weights that are not finite, first in {variable.path!r}: its training diverged, or the file is "
                "damaged."
            )


def input_image_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Returns the height, width and channels of a model's input image.

    Args:
        model: Keras model of one input: images `[B, H, W, C]`, gray images `[B, H, W]`, or vectors `[B, N]` of all
            values of square images, gray or else in color.

    Returns:
        Tuple of three integers; None stands for any size.

    Raises:
        InvalidInputError: If the model does not know the shape of its input, as a subclassed one does not.
    """
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple) and len(shape) == 4:
        return shape[1:]
    if isinstance(shape, tuple) and len(shape) == 3:
        return (*shape[1:], 1)
    if isinstance(shape, tuple) and len(shape) == 2:
        for channels in (1, 3):
            side = math.isqrt((shape[1] or 0) // channels)
            if side and side * side * channels == shape[1]:
                return (side, side, channels)
    raise InvalidInputError(
        f"model {model.name!r} has no known image shape (its input_shape is {shape}): for a subclassed model, set "
        "Teacher.image_shape, such as (32, 32, 3)."
    )


def own_input_shape(model: keras.Model) -> tuple[int | None, ...] | None:
    """Returns the shape of a model's input without the batch axis where it is not `(H, W, C)`, otherwise None."""
    shape = getattr(model, "input_shape", None)
    return shape[1:] if isinstance(shape, tuple) and len(shape) in (2, 3) else None


def probe_shape(image_shape: tuple[int | None, ...], count: int = 1) -> list[int]:
    """Returns the shape of a batch of images to try a model with: 32 pixels where it takes any size."""
    return [count, *(length or 32 for length in image_shape)]


def black_input(model: keras.Model, image_shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns an input of zeros to try a model with, in the shape that it takes."""
    return InputConvention(shape=own_input_shape(model)).from_unit(np.zeros(probe_shape(image_shape), "float32"))


def check_outputs(
    model: keras.Model,
    image_shape: tuple[int | None, ...],
    expected: Outputs = "logits",
    inputs: InputConvention | None = None,
) -> tuple[int, ...]:
    """Checks on random images that a model returns what it should.

    Args:
        model: Keras model of one image input.
        image_shape: Tuple of three integers. Height, width and channels of its images; None is taken as 32.
        expected: String. What its outputs should be, as in `Teacher`. Defaults to "logits".
        inputs: `InputConvention`. How it takes its images. Defaults to None, in [0, 1] and in the shape of its input.

    Returns:
        Tuple of integers. The shape of the outputs without the batch axis, `(K,)` or `(H, W, K)`.

    Raises:
        InvalidInputError: If the outputs are of another kind, or not finite, or if `expected` is unknown.
    """
    return random_outputs(model, image_shape, expected, inputs).shape[1:]


def random_outputs(
    model: keras.Model,
    image_shape: tuple[int | None, ...],
    expected: Outputs | None = None,
    inputs: InputConvention | None = None,
) -> np.ndarray:
    """Returns a model's outputs for four random images, float32 `[4, ..., K]`; the arguments are as in `check_outputs`.

    Args:
        model: Keras model.
        image_shape: Tuple of three integers.
        expected: String. Defaults to None, whatever they are.
        inputs: `InputConvention`. Defaults to None.
    """
    inputs = inputs or InputConvention(shape=own_input_shape(model))
    probe = np.random.default_rng(0).uniform(size=probe_shape(image_shape, 4)).astype("float32")
    outputs = model(inputs.from_unit(probe), training=False)
    with _named(model):
        check_scores(outputs)
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    if expected is not None:
        activation = last_activation(model)
        if activation is None and expected == "logits" and outputs.shape[-1] == 1:
            activation = "sigmoid" if detected_outputs(model, image_shape) == "sigmoid" else None
        check_values(model.name, outputs, expected, activation)
    return outputs


def detected_outputs(
    model: keras.Model, image_shape: tuple[int | None, ...], input_range: InputRange | None = None
) -> Outputs:
    """Returns what a model's outputs are, as `detect_outputs` does, whatever range of images it takes.

    Images in a range that it does not take may be all alike to it, and its logits then small.

    Args:
        model: Keras model of one image input.
        image_shape: Tuple of three integers. Height, width and channels of its images; None is taken as 32.
        input_range: String. The range of its images, if it is known. Defaults to None.
    """
    outputs, first = [], input_range or "0..1"
    for each in (first,) if input_range else (first, "0..255", "-1..1"):
        try:
            outputs.append(
                random_outputs(model, image_shape, inputs=InputConvention(each, shape=own_input_shape(model)))
            )
        except Exception:  # a function may refuse images of other ranges, by whatever error
            if each == first:
                raise
    finite = [each for each in outputs if np.isfinite(each).all()]
    kinds = [detect_outputs(model, each) for each in finite or outputs]
    if kinds[0] in ("probabilities", "log_probabilities"):  # saturated sigmoids may sum to 1 in the other ranges
        return kinds[0]
    return "logits" if "logits" in kinds else "sigmoid"
