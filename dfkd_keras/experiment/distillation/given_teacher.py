"""A teacher that is an object rather than a file, by the path under which a configuration can name it."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path

import keras

from dfkd_keras.experiment.identity import NUMBER, weights_checksum
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write, translate_write_errors

FOLDER = Path("runs/teachers")


def as_path(teacher: str | os.PathLike | keras.Model | Callable) -> tuple[str, str | None]:
    """Returns the path of a teacher, and its name if it has one of its own.

    A Keras model is saved under the checksum of its weights; a function is named by its module.

    Args:
        teacher: String, path, Keras model or function.

    Raises:
        InvalidInputError: If a model cannot be saved, or a function is not defined in a module.
        StorageError: If the model cannot be written.
    """
    if isinstance(teacher, (str, os.PathLike)):
        return os.fspath(teacher), None
    if isinstance(teacher, keras.Model):
        return _saved(teacher), NUMBER.sub("", teacher.name)
    module, name = getattr(teacher, "__module__", None), getattr(teacher, "__qualname__", "")
    if not callable(teacher) or module in (None, "__main__") or not name.isidentifier():
        raise InvalidInputError(
            f"teacher {teacher!r} cannot be named in a configuration: give a path, a Keras model, or a function of a "
            "module, at its top level."
        )
    return f"{inspect.getmodule(teacher).__name__}:{name}", name


def _saved(model: keras.Model) -> str:
    path = FOLDER / f"{NUMBER.sub('', model.name)}-{weights_checksum(model)[:12]}.keras"
    with translate_write_errors(path), atomic_write(path) as temporary:  # another model may have the same weights
        try:
            model.save(temporary)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"teacher {model.name!r} cannot be saved ({single_line(error)[:150]}): give it a get_config, or save "
                "it yourself and give the path."
            ) from error
    return str(path)
