"""Parts of the distiller that own variables: saved, restored and threaded through compiled steps."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import disable_gradient_aggregation
from dfkd_keras.utils.serialization import Configured

# What is counted. Variables of TensorFlow's int32 do not lie on a GPU, and a step compiled by XLA does not reach them.
INTEGER = keras.backend.standardize_dtype("int")


class Component(Configured, keras.layers.Layer):
    """A part of the distiller that owns variables but is not a layer to be called.

    Being a `keras.layers.Layer` makes its variables part of the distiller's state: saved, restored and threaded
    through compiled steps with everything else.
    """

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self.built = True

    def state(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> keras.Variable:
        """Makes a variable that is no weight: saved with the model, zero at first."""
        return self.add_weight(name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False)

    def drop_variables(self) -> None:
        """Forgets the component's own variables, before it makes others in their place."""
        for variable in [*self._trainable_variables, *self._non_trainable_variables]:
            self._untrack_variable(variable)


class OptimizerState(Component):
    """Makes the variables of a second optimizer part of the model's state."""

    def __init__(self):
        super().__init__(name="optimizer_state")
        self.optimizer = None

    def track(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Builds the optimizer on the variables that it updates and tracks it, in place of an earlier one."""
        self.drop_variables()
        self.optimizer = optimizer
        disable_gradient_aggregation(optimizer)
        optimizer.build(variables)
        for variable in optimizer.variables:
            self._track_variable(variable)

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing: Keras finds the optimizer, and saves its variables, by itself."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing, likewise."""

    def reset(self) -> None:
        """Makes an optimizer whose moments start at 0 forget all updates so far; a constant learning rate stays."""
        for variable in self.optimizer.variables:
            if variable is not self.optimizer._learning_rate:
                variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


class RandomState(Component):
    """Makes the states of dropout and the like part of the model's saved state, which Keras leaves out.

    Args:
        layers: whose seed generators, at any depth, are tracked.
    """

    def __init__(self, layers: list[keras.layers.Layer]):
        super().__init__(name="random_state")
        for layer in layers:
            for inner in layer._flatten_layers():
                for generator in inner._seed_generators:
                    self._track_variable(generator.state)
