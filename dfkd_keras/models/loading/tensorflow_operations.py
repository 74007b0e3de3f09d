"""TensorFlow functions that networks of Keras 2 apply between their layers, such as `x / 127.5`, in `keras.ops`."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured

TENSOR = "tensor"  # key of the position of a tensor among the inputs


def _slice(x: Any, slice_spec: Any) -> Any:
    parts = slice_spec if isinstance(slice_spec, list) else [slice_spec]
    return x[tuple(map(_index, parts))]


def _index(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return ... if part.get("class_name") == "__ellipsis__" else slice(part["start"], part["stop"], part["step"])


def _resize(images: Any, size: Any, method: str = "bilinear") -> Any:
    return ops.image.resize(images, size, interpolation=method, data_format="channels_last")


def _of_two(function: Callable) -> Callable:
    """Returns a function of `keras.ops` with TensorFlow's names of its arguments."""
    return lambda x, y: function(x, y)


FUNCTIONS: dict[str, Callable] = {
    "__operators__.add": _of_two(ops.add),
    "__operators__.getitem": _slice,
    "cast": ops.cast,
    "clip_by_value": lambda x, clip_value_min, clip_value_max: ops.clip(x, clip_value_min, clip_value_max),
    "concat": ops.concatenate,
    "expand_dims": ops.expand_dims,
    "identity": ops.convert_to_tensor,
    "image.resize": _resize,
    "math.abs": ops.abs,
    "math.add": _of_two(ops.add),
    "math.divide": _of_two(ops.divide),
    "math.exp": ops.exp,
    "math.log": ops.log,
    "math.maximum": _of_two(ops.maximum),
    "math.minimum": _of_two(ops.minimum),
    "math.multiply": _of_two(ops.multiply),
    "math.negative": ops.negative,
    "math.pow": _of_two(ops.power),
    "math.reduce_max": ops.max,
    "math.reduce_mean": ops.mean,
    "math.reduce_sum": ops.sum,
    "math.sigmoid": ops.sigmoid,
    "math.sqrt": ops.sqrt,
    "math.square": ops.square,
    "math.subtract": _of_two(ops.subtract),
    "math.tanh": ops.tanh,
    "math.truediv": _of_two(ops.divide),
    "nn.bias_add": lambda x, bias, data_format=None: ops.add(x, bias),
    "nn.elu": ops.elu,
    "nn.gelu": lambda x, approximate=False: ops.gelu(x, approximate),
    "nn.leaky_relu": lambda x, alpha=0.2: ops.leaky_relu(x, alpha),
    "nn.relu": ops.relu,
    "nn.relu6": ops.relu6,
    "nn.sigmoid": ops.sigmoid,
    "nn.silu": ops.silu,
    "nn.softmax": ops.softmax,
    "reshape": lambda x, shape: ops.reshape(x, shape),
    "squeeze": ops.squeeze,
    "stack": ops.stack,
    "transpose": lambda x, perm=None: ops.transpose(x, perm),
}


class TensorFlowOperation(Configured, keras.layers.Layer):
    """Applies a TensorFlow function to tensors and constants, in `keras.ops`.

    Args:
        function: String. The function's name in TensorFlow, such as "math.truediv".
        first: Any JSON value. Its first argument. `{"tensor": i}` stands for the i-th input of the layer.
        arguments: Dictionary. Its other arguments by name, with tensors likewise.
        name: String. Name of the layer.

    Raises:
        InvalidInputError: If the function is none of those in `FUNCTIONS`.

    Example:
        >>> TensorFlowOperation("math.truediv", {"tensor": 0}, {"y": 127.5}, "scale")(images)
    """

    def __init__(self, function: str, first: Any, arguments: dict[str, Any], name: str | None = None):
        super().__init__(name=name)
        if _plain(function) not in FUNCTIONS:
            raise InvalidInputError(
                f"has a layer {name!r} that applies tf.{function}, which is none of the known functions: "
                "export the model as a SavedModel with the Keras that it was made by."
            )
        self.function, self.first, self.arguments = function, first, arguments

    def call(self, *tensors: Any) -> Any:
        """Returns the function's value at the layer's inputs."""
        arguments = {name: _filled(value, tensors) for name, value in self.arguments.items()}
        return FUNCTIONS[_plain(self.function)](_filled(self.first, tensors), **arguments)


def _plain(function: str) -> str:
    """Returns a function's name without the version of TensorFlow's interface."""
    return function.removeprefix("compat.v1.")


def _filled(value: Any, tensors: tuple[Any, ...]) -> Any:
    """Returns an argument with tensors in their places."""
    if isinstance(value, dict) and TENSOR in value:
        return tensors[value[TENSOR]]
    return [_filled(part, tensors) for part in value] if isinstance(value, (list, tuple)) else value
