"""What a network returns for an image, logits or what a last activation made of them, and the way back to logits."""

from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from dfkd_keras.utils.checks import check_choices
from dfkd_keras.utils.errors import InvalidInputError

Outputs = Literal["logits", "probabilities", "log_probabilities", "sigmoid"]
TOLERANCE = 1e-2  # of the sum of probabilities, which bfloat16 rounds
LEAST_PROBABILITY = 1e-20  # whose logarithm float32 holds
LEAST_SIGMOID = 1e-7  # float32 has no larger number below 1 than about 1 - 6e-8
OPERATIONS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
}
ACTIVATIONS = {"softmax": "probabilities", "log_softmax": "log_probabilities", "sigmoid": "sigmoid"}
SIGMOIDS = ("sigmoid", "hard_sigmoid", "keras_2_hard_sigmoid")  # which all count as "sigmoid"


def to_logits(outputs: Any, kind: Outputs) -> Any:
    """Returns the logits behind a network's outputs.

    Args:
        outputs: Float tensor `[..., K]`. A single output, K = 1, counts for the second of two classes.
        kind: String. What the outputs are: "logits", "probabilities" (softmax), "log_probabilities" or "sigmoid".

    Returns:
        Float32 tensor `[..., K]` of logits, or `[..., 2]` for K = 1, up to a constant for each image.
    """
    outputs = ops.cast(outputs, "float32")
    if kind == "probabilities":
        outputs = ops.log(outputs + LEAST_PROBABILITY)
    elif kind == "sigmoid":
        likely = ops.clip(outputs, LEAST_SIGMOID, 1.0 - LEAST_SIGMOID)
        outputs = ops.log(likely) - ops.log(1.0 - likely)
    if outputs.shape[-1] == 1:
        return ops.concatenate([ops.zeros_like(outputs), outputs], axis=-1)
    return outputs


def with_outputs(network: keras.Model, kind: Outputs, units: int, input_shape: tuple[int | None, ...]) -> keras.Model:
    """Returns a network that ends as another one does, so that it can stand in its place.

    Args:
        network: Keras model that returns logits `[B, ..., K]`.
        kind: String. What the returned model should return.
        units: Integer. Number of outputs: K, or 1 for the second of two classes.
        input_shape: Tuple of integers. Shape of an input, of a network that does not tell.

    Returns:
        Keras model. The network itself if it returns this already.
    """
    logits = network.output_shape[-1] if hasattr(network, "output_shape") else units
    if kind == "logits" and logits == units:
        return network
    images = keras.Input(network.input_shape[1:] if hasattr(network, "input_shape") else input_shape)
    outputs = ops.cast(network(images), "float32")
    if units < logits:
        outputs = outputs[..., 1:] - outputs[..., :1]
    activations = {"probabilities": ops.softmax, "log_probabilities": ops.log_softmax, "sigmoid": ops.sigmoid}
    if kind != "logits":
        outputs = activations[kind](outputs)
    return keras.Model(images, outputs, name=network.name)


def detect_outputs(model: keras.Model, outputs: np.ndarray) -> Outputs:
    """Returns what a model's outputs are, by its last layer, or else by their values.

    Args:
        model: Keras model.
        outputs: Float array `[N, ..., K]`. Its outputs for a few different images.
    """
    activation = last_activation(model)
    if activation in ACTIVATIONS and _problem_of_values(outputs, ACTIVATIONS[activation]) is None:
        return ACTIVATIONS[activation]
    likely = [kind for kind in ("probabilities", "log_probabilities") if _problem_of_values(outputs, kind) is None]
    within = outputs.min() >= 0.0 and outputs.max() <= 1.0
    return likely[0] if likely else "sigmoid" if within and activation in (None, *SIGMOIDS) else "logits"


def check_values(name: str, outputs: np.ndarray, expected: Outputs, activation: str | None = None) -> None:
    """Raises `InvalidInputError` unless a model's outputs are finite and of the expected kind.

    Args:
        name: String. The model's name, for the message.
        outputs: Float array `[N, ..., K]`. Outputs for a few different images.
        expected: String. What they should be.
        activation: String. That which computes them, as `last_activation` returns it. Defaults to None, unknown.
    """
    check_choices("Teacher", get_args(Outputs), outputs=expected)
    if not np.isfinite(outputs).all():
        raise InvalidInputError(
            f"model {name!r} returns outputs that are not finite: train it again, or check its file."
        )
    if problem := _problem_of_values(outputs, expected, activation):
        raise InvalidInputError(f"model {name!r} {problem}")


def _problem_of_values(outputs: np.ndarray, expected: Outputs, activation: str | None = None) -> str | None:
    """Returns what is wrong with outputs of the expected kind, and the remedy; None if nothing is."""
    sums, single = outputs.sum(axis=-1), outputs.shape[-1] == 1
    if expected == "logits":
        if not single and outputs.min() >= 0.0 and np.allclose(sums, 1.0, atol=TOLERANCE):
            return f"ends in softmax, but logits are expected: cut it off, or set {_setting('probabilities')}"
        if single and outputs.min() >= 0.0 and outputs.max() <= 1.0 and activation in SIGMOIDS:
            return f"ends in a sigmoid, but logits are expected: cut it off, or set {_setting('sigmoid')}"
        return None
    if single and expected != "sigmoid":
        return f"has one output per image or pixel, which is no softmax: set {_setting('sigmoid')}"
    if expected == "probabilities" and not (outputs.min() >= 0.0 and np.allclose(sums, 1.0, atol=TOLERANCE)):
        return f"does not return probabilities (rows sum to {sums.flat[0]:.3g}): set {_setting('logits')}"
    sums = np.exp(np.minimum(outputs, 1.0)).sum(axis=-1)
    if expected == "log_probabilities" and not np.allclose(sums, 1.0, atol=TOLERANCE):
        return f"does not return logarithms of probabilities: set {_setting('logits')}"
    if expected == "sigmoid" and (outputs.min() < 0.0 or outputs.max() > 1.0):
        found = f"{outputs.min():.3g} to {outputs.max():.3g}"
        return f"does not return values in [0, 1], but {found}: set {_setting('logits')}"
    return None


def _setting(kind: Outputs) -> str:
    return f"Teacher.outputs={kind!r} if it is a teacher."


def last_activation(model: keras.Model) -> str | None:
    """Returns the name of the activation that computes a model's outputs, None where the model does not tell."""
    last = model
    while inner := getattr(last, "operations", None) or getattr(last, "layers", None):
        last = next((each for each in reversed(inner) if not _passes_on(each)), inner[-1])
    return activation_of(last)


def _passes_on(operation: keras.Operation) -> bool:
    """Returns whether an operation leaves its values as they are, such as a cast of what was computed before."""
    is_linear = isinstance(operation, keras.layers.Activation) and activation_of(operation) == "linear"
    return is_linear or type(operation).__name__ in ("Cast", "Flatten", "Identity", "Reshape", "Squeeze")


def activation_of(operation: keras.Operation) -> str | None:
    """Returns the name of the activation that a layer, or an operation of `keras.ops`, computes; None without one."""
    if type(operation).__name__ in OPERATIONS:
        return OPERATIONS[type(operation).__name__]
    return getattr(getattr(operation, "activation", None), "__name__", None)
