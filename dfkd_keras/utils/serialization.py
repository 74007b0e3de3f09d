"""Saving parts by the arguments they were made with, so that a distiller survives `.keras` files."""

import inspect
from typing import Any

import keras

PACKAGE = "dfkd_keras"


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
        """Rebuilds the object from `get_config()`'s (possibly serialized) values."""
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})
