"""The calls of layers that functional models of Keras 1 and 2 list, rewritten as Keras 3 writes them.

A call was a list of tensors, each `[layer, node, index, arguments]`. The nodes of a nested model were counted from 1.
"""

from collections.abc import Collection
from typing import Any

from dfkd_keras.models.loading.tensorflow_operations import TENSOR, TensorFlowOperation
from dfkd_keras.utils.serialization import PACKAGE

Config = dict[str, Any]
CONSTANT = "_CONSTANT_VALUE"  # stands for the name of a layer


def layer_name(name: str) -> str:
    """Returns a layer's name as Keras 3 allows it."""
    return name.replace("/", "_")


def modern_call(call: Any, nested: Collection[str]) -> Config:
    """Returns one call of a layer: its first argument, a tensor or a list of them, and its arguments by name.

    Args:
        call: List, or a dictionary as Keras 3 writes it, which is returned as it is.
        nested: Collection of strings. Names of the layers that are models.
    """
    if isinstance(call, dict):
        return call
    parts, named = _parts(call)
    tensors = [_tensor(part, nested) for part in parts]
    arguments = {key: _tensor(value, nested) if _is_tensor(value) else value for key, value in named.items()}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": arguments}


def modern_ends(tensors: Any, counted_from_1: Collection[str]) -> Any:
    """Returns the inputs or the outputs of a functional model, a single one without a list around it.

    Args:
        tensors: List or dictionary of tensors.
        counted_from_1: Collection of strings. Names of the layers whose nodes Keras 3 counts from 0.
    """
    if _is_tensor(tensors):
        return _reference(tensors, counted_from_1)
    if isinstance(tensors, dict):
        return {key: modern_ends(value, counted_from_1) for key, value in tensors.items()}
    ends = [modern_ends(value, counted_from_1) for value in tensors]
    return ends[0] if len(ends) == 1 else ends


def tensorflow_operation(entry: Config, nested: Collection[str]) -> Config:
    """Returns the layer that applies a TensorFlow function; the constants of its call become arguments of the layer.

    Args:
        entry: Dictionary. Configuration of a `TFOpLambda` or `SlicingOpLambda`, with its one call.
        nested: Collection of strings. Names of the layers that are models.
    """
    (call,) = entry["inbound_nodes"]
    tensors: list[Config] = []

    def argument(value: Any) -> Any:
        if not _is_tensor(value):
            return [argument(part) for part in value] if isinstance(value, list) else value
        if value[0] == CONSTANT:
            return value[2]
        tensors.append(_tensor(value, nested))
        return {TENSOR: len(tensors) - 1}

    config = {"function": entry["config"]["function"], "first": argument(call), "name": layer_name(entry["name"])}
    config["arguments"] = {key: argument(value) for key, value in _parts(call)[1].items() if key != "name"}
    name = TensorFlowOperation.__name__
    registered = {"module": None, "registered_name": f"{PACKAGE}>{name}", "class_name": name}
    return {**registered, "config": config, "inbound_nodes": [{"args": tensors, "kwargs": {}}]}


def _is_tensor(value: Any) -> bool:
    is_call = isinstance(value, list) and len(value) in (3, 4)
    return is_call and isinstance(value[0], str) and isinstance(value[1], int)


def _parts(call: list) -> tuple[list, Config]:
    """Returns the tensors of a call, and its other arguments by name, but for those that are None."""
    parts = [call] if _is_tensor(call) else call
    named = parts[-1][3] if len(parts[-1]) == 4 else {}
    return parts, {key: value for key, value in named.items() if value is not None}


def _reference(tensor: list, counted_from_1: Collection[str]) -> list:
    name, node, index = tensor[:3]
    return [layer_name(name), max(node - 1, 0) if name in counted_from_1 else node, index]


def _tensor(tensor: list, nested: Collection[str]) -> Config:
    history = _reference(tensor, nested)
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": history},  # replaced by the live tensor
    }
