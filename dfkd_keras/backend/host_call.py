"""Calls of NumPy functions from within a step, compiled or not. No gradient passes through them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

Function = Callable[[np.ndarray], np.ndarray]
_raised: list[Exception] = []  # the last error of a function, which a compiled step would hide


def host_call(function: Function, inputs: Any, shape: tuple[int, ...]) -> Any:
    """Calls a NumPy function with a batch.

    Outside a compiled step its errors are raised as they are; for those within one, see `host_errors`.

    Args:
        function: Callable. It takes a float32 array `[B, ...]` and returns a float32 array `[B, *shape]`.
        inputs: Float tensor `[B, ...]`.
        shape: Tuple of integers. The shape of one output.

    Returns:
        Float32 tensor `[B, *shape]`, which is constant to a gradient.
    """
    return _host_call(function, keras.ops.stop_gradient(keras.ops.cast(inputs, "float32")), tuple(shape))


@contextlib.contextmanager
def host_errors() -> Iterator[None]:
    """Context manager around compiled steps that raises the error of a called function in place of the backend's."""
    _raised.clear()
    try:
        yield
    except Exception as error:
        if _raised and _raised[0] is not error:
            raise _raised[0] from error
        raise


def _recorded(function: Function) -> Function:
    def recording(inputs: Any) -> np.ndarray:
        try:
            return function(np.asarray(inputs))
        except Exception as error:
            _raised[:] = [error]
            raise

    return recording


if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    def _host_call(function, inputs, shape):
        if tf.executing_eagerly():
            return tf.constant(function(inputs.numpy()))
        outputs = tf.numpy_function(_recorded(function), [inputs], tf.float32)
        outputs.set_shape((inputs.shape[0], *shape))
        return outputs

else:
    import jax

    def _host_call(function, inputs, shape):
        if not isinstance(inputs, jax.core.Tracer):
            return jax.numpy.asarray(function(np.asarray(inputs)))
        outputs = jax.ShapeDtypeStruct((inputs.shape[0], *shape), np.float32)
        return jax.pure_callback(_recorded(function), outputs, inputs)
