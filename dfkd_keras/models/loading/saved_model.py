"""Networks from files: Keras' own of every version, and TensorFlow SavedModels."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import keras

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.models.loading.architecture import unknown_class
from dfkd_keras.models.loading.file_format import KNOWN, file_format
from dfkd_keras.models.loading.hdf5 import load_h5
from dfkd_keras.models.loading.image_network import image_network
from dfkd_keras.models.loading.keras_archive import load_keras_archive
from dfkd_keras.models.loading.tensorflow_savedmodel import savedmodel_network
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.text import printable
from dfkd_keras.utils.user_modules import public_objects

READERS = {"keras": load_keras_archive, "hdf5": load_h5}
COLOR = re.compile(r"\x1b\[\d+m")  # in messages of Keras
# How Keras says that it does not know a class or function.
UNKNOWN = re.compile(r"(?:Could not locate (?:class|function)|Unknown layer:|function identifier:) '?([\w>]+)")


def saved_model(path: str, safe_mode: bool = True, custom_objects: str | None = None) -> keras.Model:
    """Loads a network to be a teacher, or a student that starts from its weights.

    Args:
        path: String. Path of a `.keras` or HDF5 (`.h5`) file, by any version of Keras, or of the folder of a SavedModel
            with a signature that takes float images. A SavedModel works as a teacher for methods that use its logits
            alone.
        safe_mode: Boolean. Whether to refuse code inside the file, such as a Lambda layer's. False is only for files
            that you trust. Defaults to True.
        custom_objects: String. Name of the module that defines the model's own layers and functions. Defaults to None.

    Returns:
        Keras model, trainable if it comes from a file of Keras.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it cannot be read.

    Example:
        >>> teacher = dk.Teacher(saved_model("teacher.keras"))
    """
    format_name = file_format(Path(path))
    with reading(f"model file {str(path)!r}", "a SavedModel" if format_name == "savedmodel" else "a Keras model"):
        if format_name == "savedmodel":
            return image_network(savedmodel_network(Path(path)))
        if format_name not in READERS:
            raise InvalidInputError("is of a format that only teachers may have: give a .keras or .h5 file.")
        return unfrozen(READERS[format_name](Path(path), safe_mode, public_objects(custom_objects)))


@contextlib.contextmanager
def reading(source: str, kind: str) -> Iterator[None]:
    """Raises what goes wrong while a model is read as an `InvalidInputError` of one line that names it.

    Args:
        source: String. Where it comes from, such as "model file 'teacher.keras'".
        kind: String. What it is read as, such as "a Keras model".
    """
    try:
        yield
    except InvalidInputError as error:  # whose message goes on after the name
        raise InvalidInputError(f"{source} {error}") from error
    except DFKDError:
        raise
    except Exception as error:  # Keras and TensorFlow raise whatever a part of the file raises
        cause = printable(COLOR.sub("", single_line(error)))
        short = cause.rsplit("Exception encountered: ", 1)[-1][:200]
        raise InvalidInputError(
            f"{source} cannot be loaded as {kind} ({type(error).__name__}: {short}): {_remedy(cause)}"
        ) from error


def unfrozen(model: keras.Model) -> keras.Model:
    """Makes a model trainable if all of it is frozen, as it is if it was saved while it was a teacher."""
    if not model.trainable_variables:
        for layer in flatten_layers(model):  # the model's own `trainable` does not reach every layer of a copy
            layer.trainable = True
    return model


def _remedy(cause: str) -> str:
    if unknown := UNKNOWN.search(cause):
        return unknown_class(unknown[1])
    if "Requested the deserialization of" in cause:
        return (
            "it holds code in a Lambda layer; if you trust it, set Teacher.safe_mode = False for a run's teacher "
            "(--allow_code), or saved_model.safe_mode = False for any other model."
        )
    return f"it may be truncated or of another format; save the model again, as one of {KNOWN}."
