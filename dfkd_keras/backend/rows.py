"""Rows of large variables, read and written where they lie.

`keras.ops` works on whole tensors: writing 256 rows would copy all 50,000. On JAX the compiled step owns its state and
XLA updates it in place; TensorFlow has operations of its own for it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    def take_rows(variable: keras.Variable, indices: Any) -> Any:
        """Returns the rows of a variable `[N, ...]` at indices `[B]`."""
        own = variable.value
        if isinstance(own, tf.distribute.DistributedValues):
            own = own._get()  # the replica's own variable: a strategy's one would be copied whole
        return tf.gather(own, indices)

    def assign_rows(variable: keras.Variable, indices: Any, rows: Any) -> None:
        """Writes rows `[B, ...]` into a variable `[N, ...]` at indices `[B]`; of equal indices, one wins."""
        variable.value.scatter_update(tf.IndexedSlices(tf.cast(rows, variable.dtype), indices))

    def value_or_none(tensor: Any) -> np.ndarray | None:
        """Returns the value of a tensor, or None where it stands for one in a step that is being compiled."""
        return np.asarray(tensor) if tf.executing_eagerly() else None

else:
    import jax

    def take_rows(variable: keras.Variable, indices: Any) -> Any:
        """Returns the rows of a variable `[N, ...]` at indices `[B]`."""
        return ops.take(variable.value, indices, axis=0)

    def assign_rows(variable: keras.Variable, indices: Any, rows: Any) -> None:
        """Writes rows `[B, ...]` into a variable `[N, ...]` at indices `[B]`; of equal indices, one wins."""
        variable.assign(variable.value.at[indices].set(rows.astype(variable.dtype)))

    def value_or_none(tensor: Any) -> np.ndarray | None:
        """Returns the value of a tensor, or None where it stands for one in a step that is being compiled."""
        return None if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)
