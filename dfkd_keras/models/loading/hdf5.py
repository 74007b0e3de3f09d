"""HDF5 files of whole models, or of their weights, by every version of Keras that wrote them.

Keras 3 reads its own; those of Keras 1 and 2 are read here, see `architecture`. Weights are matched by the names
of layers and variables where these are the same, and else by their order, with a check of every shape.
"""

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from dfkd_keras.models.loading.architecture import is_legacy, modernized
from dfkd_keras.models.loading.file_format import suffixed
from dfkd_keras.models.loading.legacy_nodes import layer_name
from dfkd_keras.models.loading.weight_limit import weight_limit
from dfkd_keras.models.weights import finalize
from dfkd_keras.utils.errors import InvalidInputError

# Reads all but the arrays. HDF5's library crashes on some damaged files, or reads them without end.
TRIAL = """
import contextlib, sys, h5py

def read(name, part):
    for key in part.attrs:
        with contextlib.suppress(Exception):
            part.attrs[key]

with h5py.File(sys.argv[1], "r") as file:
    read("", file)
    file.visititems(read)
"""
TRIAL_SECONDS = 60


def load_h5(path: Path, safe_mode: bool, custom_objects: Mapping[str, Any]) -> keras.Model:
    """Loads a whole model.

    Args:
        path: Path. An HDF5 file, whatever its suffix.
        safe_mode: Boolean. Whether to refuse code inside the file.
        custom_objects: Mapping. The user's own classes and functions by their names.

    Raises:
        InvalidInputError: If the file holds no architecture, or one that Keras 3 has no layers for, or other weights.
    """
    _try_in_another_process(path)
    with h5py.File(path, "r") as file, weight_limit(path.stat().st_size):
        if "model_config" not in file.attrs:
            raise InvalidInputError(
                "holds weights and no architecture: give the model's JSON file as the teacher, and this one as "
                "--weights."
            )
        config = json.loads(_text(file.attrs["model_config"]))
        if not is_legacy(config, _version(file)):
            with suffixed(path, ".h5") as named:
                return keras.saving.load_model(named, custom_objects, compile=False, safe_mode=safe_mode)
        config = modernized(config, custom_objects)
        model = keras.saving.deserialize_keras_object(config, dict(custom_objects), safe_mode=safe_mode)
        _load_weights(model, file["model_weights"])
        return model


def load_h5_weights(model: keras.Model, path: Path) -> None:
    """Loads the weights of a model from an HDF5 file: of Keras 1 or 2, of a whole model, or `.weights.h5` of Keras 3.

    Args:
        model: Keras model, built.
        path: Path. The file.

    Raises:
        InvalidInputError: If the weights are those of another model.
    """
    _try_in_another_process(path)
    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        if _strings(group, "layer_names"):
            _load_weights(model, group)
            return
    with suffixed(path, ".weights.h5") as named:
        model.load_weights(named)


def _try_in_another_process(path: Path) -> None:
    """Raises `InvalidInputError` if a file makes a process crash or hang; other errors are left to the reader."""
    try:
        command = [sys.executable, "-c", TRIAL, str(path)]
        process = subprocess.run(command, capture_output=True, timeout=TRIAL_SECONDS, check=False)
        crashed = process.returncode < 0
    except subprocess.TimeoutExpired:
        crashed = True
    if crashed:
        raise InvalidInputError("cannot be read by HDF5's library, which crashes or hangs: it is damaged.")


def _version(file: h5py.File) -> str | None:
    return _attribute(file.get("model_weights", file), "keras_version")


def _attribute(group: h5py.Group, name: str) -> str | None:
    """Returns an attribute of the group of weights or of the whole file, which versions of Keras differ in."""
    value = group.attrs.get(name, group.file.attrs.get(name))
    return None if value is None else _text(value)


def _load_weights(model: keras.Model, group: h5py.Group) -> None:
    _check_backend(group)
    stored = {layer_name(name): _arrays(group, name) for name in _strings(group, "layer_names")}
    layers = {layer.name: layer for layer in model.layers}
    if stored.keys() <= layers.keys():
        stored = {name: arrays for name, arrays in stored.items() if layers[name].weights}
    weighted, stored = [each for each in layers.values() if each.weights], {n: a for n, a in stored.items() if a}
    if len(stored) != len(weighted):
        raise InvalidInputError(
            f"has weights for {len(stored)} layers, and the architecture has {len(weighted)} with weights: these are "
            "of two models."
        )
    by_name = stored.keys() == {layer.name for layer in weighted}
    for layer, in_order in zip(weighted, stored.values(), strict=True):
        _assign(layer, stored[layer.name] if by_name else in_order)
    finalize(model)


def _check_backend(group: h5py.Group) -> None:
    if _attribute(group, "backend") == "theano":
        raise InvalidInputError(
            "was written on Theano, which flips the kernels of convolutions: load and save it on TensorFlow with "
            "the Keras that it was made by."
        )


def _assign(layer: keras.layers.Layer, arrays: Mapping[str, np.ndarray]) -> None:
    """Sets the weights of a layer, or of a nested model."""
    variables = {layer_name("/".join(variable.path.split("/")[-2:])): variable for variable in layer.weights}
    named = {layer_name(name.split(":")[0]): array for name, array in arrays.items()}
    ordered = [*layer.trainable_weights, *layer.non_trainable_weights]  # as Keras 1 and 2 saved them
    if len(variables) == len(arrays) and named.keys() == variables.keys():
        pairs = [(variable, named[name]) for name, variable in variables.items()]
    elif len(arrays) == len(ordered):
        pairs = list(zip(ordered, arrays.values(), strict=True))
    else:
        raise InvalidInputError(
            f"holds {len(arrays)} weights for the layer {layer.name!r}, which has {len(ordered)}: it is damaged, or "
            "these are of two models."
        )
    for variable, array in pairs:
        if tuple(variable.shape) != array.shape:
            raise InvalidInputError(
                f"holds the weight {variable.path!r} in the shape {array.shape}, not {tuple(variable.shape)}: it is "
                "damaged, or these are of two models."
            )
        variable.assign(array)


def _arrays(group: h5py.Group, name: str) -> dict[str, np.ndarray]:
    layer = _member(group, name)
    return {weight: _array(_member(layer, weight)) for weight in _strings(layer, "weight_names")}


def _member(group: h5py.Group, path: str) -> Any:
    """Returns what is stored under a path, but nothing from outside the file."""
    for name in path.split("/"):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InvalidInputError(f"has no member {path!r}, or a link in its place: it is damaged.")
        group = group[name]
    return group


def _array(dataset: h5py.Dataset) -> np.ndarray:
    if dataset.dtype.kind not in "fiu":
        raise InvalidInputError(f"stores {dataset.dtype} in its member {dataset.name!r}, not numbers: it is damaged.")
    if dataset.external or dataset.is_virtual:
        raise InvalidInputError(f"refers to another file for its member {dataset.name!r}: save the model in one.")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > 1000 * (dataset.id.get_storage_size() + 1000):
        raise InvalidInputError(f"stores far less of its member {dataset.name!r} than it declares: it is damaged.")
    return dataset[()] if dataset.shape else np.asarray(dataset[()])


def _strings(group: h5py.Group, name: str) -> list[str]:
    """Returns an attribute that is a list of strings, which Keras splits where it is long."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    values, part = [], 0
    while f"{name}{part}" in group.attrs:
        values += [_text(value) for value in group.attrs[f"{name}{part}"]]
        part += 1
    return values


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
