"""Checks of a model's images and outputs, on random images where no attribute tells."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError

Outputs = Literal["logits", "probabilities"]


def input_image_shape(model: keras.Model) -> tuple[int | None, ...]:
    """Returns the height, width and channels of a model's input image.

    Args:
        model: Keras model of one image input.

    Returns:
        Tuple of three integers; None stands for any size.

    Raises:
        InvalidInputError: If the model does not know the shape of its input, as a subclassed one does not.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise InvalidInputError(
            f"model {model.name!r} has no known image shape (its input_shape is {shape}): for a subclassed model, set "
            "Teacher.image_shape, such as (32, 32, 3)."
        )
    return shape[1:]


def probe_shape(image_shape: tuple[int | None, ...], count: int = 1) -> list[int]:
    """Returns the shape of a batch of images to try a model with: 32 pixels where it takes any size."""
    return [count, *(length or 32 for length in image_shape)]


def check_outputs(
    model: keras.Model, image_shape: tuple[int | None, ...], expected: Outputs = "logits"
) -> tuple[int, ...]:
    """Checks on random images whether a model returns logits or probabilities.

    Args:
        model: Keras model of one image input.
        image_shape: Tuple of three integers. Height, width and channels of its images; None is taken as 32.
        expected: String, "logits" or "probabilities". What its outputs should be. Defaults to "logits".

    Returns:
        Tuple of integers. The shape of the outputs without the batch axis, `(K,)` or `(H, W, K)`.

    Raises:
        InvalidInputError: If the outputs are of the other kind, are not finite or have a single class, or if
            `expected` is unknown.
    """
    if expected not in ("logits", "probabilities"):
        raise InvalidInputError(f"outputs={expected!r} is unknown: use 'logits' or 'probabilities'.")
    probe = np.random.default_rng(0).uniform(size=probe_shape(image_shape, 4)).astype("float32")
    outputs = ops.convert_to_numpy(ops.cast(model(probe, training=False), "float32"))
    if problem := _problem(outputs, expected):
        raise InvalidInputError(f"model {model.name!r} {problem}")
    return outputs.shape[1:]


def _problem(outputs: Any, expected: Outputs) -> str | None:
    """Returns what is wrong with a model's outputs, and the remedy; None if nothing is."""
    if not np.isfinite(outputs).all():
        return "returns outputs that are not finite: train it again, or check its file."
    if outputs.shape[-1] < 2:
        return (
            "has one output per image or pixel, whose softmax is always 1: for a sigmoid's logit z, return the two "
            "logits (0, z)."
        )
    are_probabilities = outputs.min() >= 0 and np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3)
    if are_probabilities and expected == "logits":
        return (
            "ends in softmax, but logits are expected: cut the softmax off, or for a teacher set "
            "Teacher.outputs='probabilities'."
        )
    if expected == "probabilities" and not are_probabilities:
        return (
            f"does not return probabilities (rows sum to {outputs.sum(axis=-1).flat[0]:.3g}): set "
            "Teacher.outputs='logits'."
        )
    return None
