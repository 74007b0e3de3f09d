"""Saving parts by the arguments they were made with, so that a distiller survives `.keras` files."""

import inspect
from typing import Any

import keras
from keras import ops

from dfkd_keras.distribution import take_whole_gradients

PACKAGE = "dfkd_keras"
# What is counted. Variables of TensorFlow's int32 do not lie on a GPU, and a step compiled by XLA does not reach them.
INTEGER = keras.backend.standardize_dtype("int")


class Configured:
    """Mixin: an object whose configuration is its constructor's arguments, each kept under its own name.

    It works for dataclasses, Keras layers and Keras models alike, and nested parts are saved with the whole.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=PACKAGE)(cls)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Configured":
        """Rebuilds the object from `get_config()`'s (possibly serialised) values."""
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})


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

    def take(self, optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> None:
        """Builds the optimizer on the variables that it updates and tracks it, in place of an earlier one."""
        self.drop_variables()
        self.optimizer = optimizer
        take_whole_gradients(optimizer)
        optimizer.build(variables)
        for variable in optimizer.variables:
            self._track_variable(variable)

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing: Keras finds the optimizer, and saves its variables, by itself."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing, likewise."""

    def restart(self) -> None:
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
