"""What an experiment is made of, as readable JSON: two runs are the same experiment if this is equal."""

import dataclasses
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.teacher.model_checks import random_outputs
from dfkd_keras.teacher.teacher import Teacher

SHOWN_OUTPUTS = 64
NUMBER = re.compile(r"_\d+$")  # which Keras appends to names, counting within a process
PROCESS_KEYS = ("shared_object_id", "build_config", "compile_config")  # of Keras' serialization; no part of a design


def describe_build(distiller: DataFreeDistiller) -> dict[str, Any]:
    """Describes what an experiment has built.

    Args:
        distiller: `DataFreeDistiller`, compiled and not trained yet.

    Returns:
        Dictionary of JSON values. The teacher counts by the checksum of its weights, the student and a generator by
        their architecture and the norm of their initial weights.
    """
    parts = describe(distiller)
    return {
        "teacher": parts.pop("teacher"),
        "optimizer": describe(distiller.optimizer),
        "synthesis_optimizer": describe(distiller.synthesizer.optimizer),
        "distiller": parts,
    }


def describe_test_data(data: ImageDataset | None, test: Split | None) -> dict[str, Any] | None:
    """Describes the images that a student is evaluated on, wherever they are stored; None if there are none."""
    if data is None or test is None:
        return None
    return {
        "name": data.name,
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "masks": data.masks,
        "test_images": _describe_array(np.asarray(test.images)),
        "test_labels": None if test.labels is None else _describe_array(np.asarray(test.labels)),
    }


def describe(value: Any) -> Any:
    """Describes a part and all its own parts by their constructor arguments, as JSON values.

    Networks count by their architecture, functions by their module and qualified name, arrays by their checksum.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted((describe(part) for part in value), key=json.dumps)
    if isinstance(value, Teacher):
        return {**_describe_part(value), "weights_sha256": weights_checksum(value.model), **_describe_outputs(value)}
    if isinstance(value, ImageDataset):  # of which the student is trained, in a baseline on real data
        return {"name": value.name, "train_images": _describe_array(np.asarray(value.load("train").images))}
    if isinstance(value, keras.Model) and not isinstance(value, DataFreeDistiller):
        return _describe_network(value)
    if inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, functools.partial):
        return _describe_function(value)
    if keras.ops.is_tensor(value) or isinstance(value, (np.ndarray, keras.Variable)):
        return _describe_array(ops.convert_to_numpy(value))
    return _describe_part(value)


def _describe_outputs(teacher: Teacher) -> dict[str, Any]:
    """Describes a teacher of which only the outputs are known, by those for a few images."""
    if teacher.gives_gradients:
        return {}
    outputs = random_outputs(teacher.model, teacher.image_shape, inputs=teacher.inputs)
    return {"outputs": [f"{value:.4g}" for value in outputs.ravel()[:SHOWN_OUTPUTS]]}


def weights_checksum(model: keras.Model) -> str:
    """Returns a SHA-256 checksum of a model's weights and statistics, in hexadecimal.

    Other variables, such as the states of the seeds of Dropout layers, differ in every process.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(ops.convert_to_numpy(variable.value).tobytes())
    return digest.hexdigest()


def _describe_part(part: Any) -> dict[str, Any]:
    return {"class": _qualified_name(type(part)), **_arguments(part)}


def _arguments(part: Any) -> dict[str, Any]:
    try:
        config = part.get_config()
    except (AttributeError, NotImplementedError, TypeError):  # a Keras callback, or a user's class without a config
        config = _constructor_values(part)
    if "class_name" in config:  # keras.distillation and others that nest serialized objects
        config = config.get("config", config)
    return {name: describe(_without_number(name, value)) for name, value in config.items() if name not in PROCESS_KEYS}


def _constructor_values(part: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass, or the plain constructor arguments that an object keeps under their names."""
    if dataclasses.is_dataclass(part):
        return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    values = {name: vars(part)[name] for name in inspect.signature(type(part)).parameters if name in vars(part)}
    return {name: value for name, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _without_number(name: str, value: Any) -> Any:
    return NUMBER.sub("", value) if name == "name" and isinstance(value, str) else value


def _describe_network(network: keras.Model) -> dict[str, Any]:
    """Describes a network by its size and a checksum of its architecture, which is too long to be readable."""
    shapes = [list(variable.shape) for variable in network.variables]
    try:
        architecture = _renamed(network.get_config(), _positions_of_names(network))
    except (NotImplementedError, TypeError):  # a subclassed model
        architecture = [_qualified_name(type(layer)) for layer in flatten_layers(network)]
    text = json.dumps([architecture, shapes], sort_keys=True, default=describe)
    return {
        "class": _qualified_name(type(network)),
        "name": NUMBER.sub("", network.name),
        "parameters": network.count_params(),
        "architecture_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "weights_norm": _weights_norm(network),
    }


def _weights_norm(network: keras.Model) -> str:
    """Returns the norm of a network's weights; in few digits, because devices round initial weights differently."""
    squares = [np.square(ops.convert_to_numpy(variable.value).astype("float64")).sum() for variable in network.weights]
    return f"{np.sqrt(sum(squares)):.5g}"


def _positions_of_names(network: keras.Model) -> dict[str, str]:
    """Returns a name for each layer that is the same in every process: without Keras' number, with its position.

    Functional models have operations that are no layers, such as those of `keras.ops`.
    """
    parts = [part for layer in flatten_layers(network) for part in (layer, *getattr(layer, "operations", ()))]
    names = dict.fromkeys(part.name for part in parts)
    return {name: f"{NUMBER.sub('', name)}#{position}" for position, name in enumerate(names)}


def _renamed(config: Any, names: Mapping[str, str]) -> Any:
    """Returns a configuration in which every name of a layer is replaced, where one is referred to."""
    if isinstance(config, Mapping):
        kept = {key: value for key, value in config.items() if key not in PROCESS_KEYS}
        return {
            key: names.get(value, value) if key == "name" and isinstance(value, str) else _renamed(value, names)
            for key, value in kept.items()
        }
    if isinstance(config, (list, tuple)):
        is_reference = len(config) >= 3 and isinstance(config[0], str) and all(type(i) is int for i in config[1:3])
        first = [names.get(config[0], config[0])] if is_reference else []
        return first + [_renamed(part, names) for part in config[len(first) :]]
    return config


def _describe_function(function: Any) -> Any:
    if isinstance(function, functools.partial):
        parts = {"arguments": list(function.args), **function.keywords}
        return {"class": _qualified_name(function.func), **{name: describe(part) for name, part in parts.items()}}
    name, code = _qualified_name(function), getattr(function, "__code__", None)
    if code is None or "<" not in name:
        return name
    return {"function": name, **_code_of_local(function, code)}


def _code_of_local(function: Any, code: Any) -> dict[str, Any]:
    """Describes what tells apart lambdas and local functions, whose names are often the same."""
    plain = [constant for constant in code.co_consts if _is_plain(constant)]
    text = code.co_code + json.dumps([plain, code.co_names]).encode()
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return {
        "code_sha256": hashlib.sha256(text).hexdigest(),
        "closure": [value for value in (*cells, *(function.__defaults__ or ())) if _is_plain(value)],
    }


def _qualified_name(what: Any) -> str:
    if inspect.isclass(what):
        registered = keras.saving.get_registered_name(what)
        if ">" in registered or what.__module__.startswith("keras."):  # names that stay when code is moved
            return registered
    return f"{getattr(what, '__module__', '')}.{getattr(what, '__qualname__', type(what).__name__)}"


def _describe_array(array: np.ndarray) -> Any:
    if array.ndim == 0:
        return array.item()
    return {"shape": list(array.shape), "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}
