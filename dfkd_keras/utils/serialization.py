"""Serialization of parts by their constructor's arguments, so that a distiller can be saved as a `.keras` file."""

import inspect
from typing import Any

import keras

PACKAGE = "dfkd_keras"
USERS_PACKAGE = "Custom"  # Keras' own default: a user's class never takes the place of the package's of the same name


class Configured:
    """Mixin of objects whose configuration is their constructor's arguments, each kept as the attribute of its name.

    It works for dataclasses, Keras layers and Keras models alike; nested parts are saved with the whole. Subclasses are
    registered with Keras.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        is_ours = cls.__module__.partition(".")[0] == PACKAGE
        keras.saving.register_keras_serializable(package=PACKAGE if is_ours else USERS_PACKAGE)(cls)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name."""
        _, *parameters = inspect.signature(type(self).__init__).parameters.values()
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # of a class without a constructor
        return {each.name: getattr(self, each.name) for each in parameters if each.kind not in variadic}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Configured":
        """Rebuilds the object from the values of `get_config()`, serialized or not."""
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})
