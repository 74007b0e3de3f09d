"""Parts of the distiller that own variables: saved, restored and threaded through compiled steps."""

from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.distribution import disable_gradient_aggregation
from dfkd_keras.utils.serialization import Configured

# The dtype of counters. TensorFlow does not keep int32 variables on a GPU, where a step compiled by XLA needs them.
INTEGER = keras.backend.standardize_dtype("int")


def array_of(variable: keras.Variable) -> np.ndarray:
    """Returns the value of a variable, also of one that a strategy sums on reading, which is no array until copied."""
    return ops.convert_to_numpy(ops.copy(variable.value))


class Component(Configured, keras.layers.Layer):
    """Base class of the parts of a distiller that own variables but are not layers to be called.

    Being a `keras.layers.Layer` makes their variables part of the distiller's state: saved, restored and threaded
    through compiled steps with everything else.

    Args:
        name: String. Name of the part. Defaults to one made from the class name.
    """

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self.built = True

    def state(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> keras.Variable:
        """Makes a variable that is saved with the model and updated by assignment, not by an optimizer.

        Args:
            name: String. Name of the variable.
            shape: Tuple of integers. Shape of the variable; `()` for a scalar.
            dtype: String. Defaults to `"float32"`.

        Returns:
            A `keras.Variable`, initialized with zeros.
        """
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False)

    def drop_variables(self) -> None:
        """Removes the part's own variables from its state, before others take their place."""
        keras_internals.untrack_own_variables(self)


class OptimizerState(Component):
    """Makes the variables of the synthesizer's optimizer part of the model's state.

    Keras' trainer knows one optimizer alone, the student's.
    """

    def __init__(self):
        super().__init__(name="optimizer_state")
        self.optimizer = None

    def track(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Builds an optimizer and tracks its variables, in place of those of an earlier one.

        Args:
            optimizer: A `keras.optimizers.Optimizer`, not built yet.
            variables: List of variables. What the optimizer updates.
        """
        self.drop_variables()
        self.optimizer = optimizer
        disable_gradient_aggregation(optimizer)
        optimizer.build(variables)
        keras_internals.track_variables(self, optimizer.variables)

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing, because Keras finds the optimizer among the attributes and saves it."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing, because Keras finds the optimizer among the attributes and loads it."""

    def reset(self) -> None:
        """Sets the optimizer back to its state before the first update.

        The optimizer must have moments that start at 0 and a constant learning rate, which stays; see
        `optimizers.resetting.check_resettable`.
        """
        for variable in self.optimizer.variables:
            if variable is not keras_internals.learning_rate(self.optimizer):
                variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


class RandomState(Component):
    """Makes the seeds of dropout and other random layers part of the saved state, from which Keras leaves them out.

    Args:
        layers: List of layers. The seed generators of these layers, and of all layers nested in them, are tracked.
    """

    def __init__(self, layers: list[keras.layers.Layer]):
        super().__init__(name="random_state")
        for layer in layers:
            for inner in keras_internals.flatten_layers(layer):
                generators = keras_internals.seed_generators(inner)
                keras_internals.track_variables(self, [generator.state for generator in generators])
