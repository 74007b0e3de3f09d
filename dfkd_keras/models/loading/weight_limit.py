"""A limit on the weights that a model file may declare, so that a damaged or hostile one cannot fill the memory."""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras

from dfkd_keras.utils.errors import InvalidInputError

_lock = threading.RLock()  # or two threads might each restore what the other one has put in place
FREE_WEIGHTS = 2**24
WEIGHTS_PER_BYTE = 4  # uncompressed, a float takes 4 bytes, and an integer 1


@contextlib.contextmanager
def weight_limit(stored_bytes: int) -> Iterator[None]:
    """Context manager in which this thread's layers make at most as many weights as a file could hold.

    Args:
        stored_bytes: Integer. Size of the file.

    Raises:
        InvalidInputError: When a layer asks for more, before they are made.
    """
    thread, limit, made = threading.get_ident(), FREE_WEIGHTS + WEIGHTS_PER_BYTE * stored_bytes, 0

    def checked(layer: keras.layers.Layer, shape: Any = None, *args: Any, **kwargs: Any) -> keras.Variable:
        nonlocal made
        if threading.get_ident() == thread:
            made += math.prod(shape if isinstance(shape, (tuple, list)) else [shape or 1])
            if made > limit:
                raise InvalidInputError(
                    f"declares weights of the shape {shape} for the layer {layer.name!r}, more than {stored_bytes:,} "
                    "bytes can hold: it is damaged or hostile."
                )
        return add_weight(layer, shape, *args, **kwargs)

    with _lock:
        add_weight, keras.layers.Layer.add_weight = keras.layers.Layer.add_weight, checked
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add_weight
