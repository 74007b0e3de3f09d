"""Reading and writing rows of large variables in place.

`keras.ops` works on whole tensors: writing 256 rows would copy all 50,000. On JAX the compiled step owns its state, and
XLA updates it in place; TensorFlow has operations for it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend import keras_internals

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    def take_rows(variable: keras.Variable, indices: Any) -> Any:
        """Returns rows of a variable.

        Args:
            variable: A `keras.Variable` of shape `[N, ...]`.
            indices: Integer tensor of shape `[B]`.

        Returns:
            A tensor of shape `[B, ...]`.
        """
        own = variable.value
        if isinstance(own, tf.distribute.DistributedValues):
            own = keras_internals.replica_variable(own)
        return tf.gather(own, indices)

    def assign_rows(variable: keras.Variable, indices: Any, rows: Any) -> None:
        """Writes rows into a variable; if an index occurs twice, one of the rows wins.

        Args:
            variable: A `keras.Variable` of shape `[N, ...]`.
            indices: Integer tensor of shape `[B]`.
            rows: Tensor of shape `[B, ...]`, cast to the variable's dtype.
        """
        variable.value.scatter_update(tf.IndexedSlices(tf.cast(rows, variable.dtype), indices))

    def value_or_none(tensor: Any) -> np.ndarray | None:
        """Returns the value of a tensor, or `None` for a symbolic one in a step that is being compiled."""
        return np.asarray(tensor) if tf.executing_eagerly() else None

else:
    import jax

    def take_rows(variable: keras.Variable, indices: Any) -> Any:
        """Returns rows of a variable, as above."""
        return ops.take(variable.value, indices, axis=0)

    def assign_rows(variable: keras.Variable, indices: Any, rows: Any) -> None:
        """Writes rows into a variable, as above."""
        variable.assign(variable.value.at[indices].set(rows.astype(variable.dtype)))

    def value_or_none(tensor: Any) -> np.ndarray | None:
        """Returns the value of a tensor, or `None` for a symbolic one, as above."""
        return None if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)
