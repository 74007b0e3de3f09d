"""Networks that Keras and KerasHub know by name, with weights from local files: nothing is downloaded."""

import difflib
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import keras

from dfkd_keras.models.loading.hdf5 import load_h5_weights
from dfkd_keras.models.loading.weight_limit import weight_limit
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.optional_imports import require_package

APPLICATION, PRESET = "keras.applications:", "keras_hub:"
TASK, FILES = "task.json", ("config.json", "task.json", "task.weights.h5")  # of a preset with a trained head
TASKS = ("ImageClassifier", "ImageSegmenter")


def load_application(reference: str, weights: Path | None, image_shape: tuple[int, ...] | None = None) -> keras.Model:
    """Returns a network of `keras.applications`.

    Args:
        reference: String, such as "keras.applications:MobileNetV2".
        weights: Path. An HDF5 file of its weights, for its 1000 classes. None raises the error.
        image_shape: Tuple of integers. Height, width and channels. Defaults to the network's own.

    Raises:
        InvalidInputError: If there is no such network, or no weights, or those of another one.
    """
    name, functions = reference.removeprefix(APPLICATION), applications()
    if name not in functions:
        near = difflib.get_close_matches(name, functions) or list(functions)
        raise InvalidInputError(f"does not exist in this version of Keras: did you mean {' or '.join(near)}?")
    if name.startswith("EfficientNetB"):  # Keras gives it a layer more for the weights of ImageNet
        raise InvalidInputError(
            f"is another network without the weights of ImageNet: save keras.applications.{name}() as a .keras file "
            "and give that."
        )
    if weights is None:
        raise InvalidInputError(
            "is an architecture, and its weights are not downloaded: name their file, such as --weights=model.h5."
        )
    with weight_limit(weights.stat().st_size):
        model = functions[name](weights=None, **({"input_shape": image_shape} if image_shape else {}))
        load_h5_weights(model, weights)
    return model


def applications() -> dict[str, Callable[..., keras.Model]]:
    """Returns the functions of `keras.applications` that build a network, by their names."""
    found = {name: part for name, part in vars(keras.applications).items() if inspect.isfunction(part)}
    return {name: part for name, part in found.items() if "weights" in inspect.signature(part).parameters}


def load_hub_preset(reference: str) -> keras.Model:
    """Returns the classifier or segmenter in a preset of KerasHub.

    Args:
        reference: String, "keras_hub:" and the path of a folder that `save_to_preset` wrote.

    Raises:
        NotFoundError: If there is no such folder, or a file is missing in it.
        InvalidInputError: If it is of another task, or Keras cannot read it.
        MissingDependencyError: If `keras_hub` is not installed.
    """
    folder = Path(reference.removeprefix(PRESET)).expanduser()
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise NotFoundError(
            f"preset {reference!r} has no {missing[0]} (here: {Path.cwd()}): give the folder that save_to_preset of a "
            "trained image classifier wrote; nothing is downloaded."
        )
    models = require_package("keras_hub", "keras-hub", "give a .keras file").models
    name = json.loads((folder / TASK).read_text(encoding="utf-8"))["registered_name"]
    found = keras.saving.get_registered_object(name)
    tasks = [getattr(models, each) for each in TASKS]
    if not inspect.isclass(found) or not issubclass(found, tuple(tasks)):
        raise InvalidInputError(f"holds {name!r}: give a preset of an image classifier or segmenter.")
    with weight_limit(sum(file.stat().st_size for file in folder.rglob("*"))):
        return next(task for task in tasks if issubclass(found, task)).from_preset(str(folder.resolve()))
