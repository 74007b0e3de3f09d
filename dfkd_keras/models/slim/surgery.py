"""The slim network: the layers of another one with some of their channels."""

from typing import Any

import keras
import numpy as np
from keras import ops, tree

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.models.slim.graph import Graph
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.layer_channels import LayerChannels, kept_axes
from dfkd_keras.models.weights import copy_weights
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError

UNCUT = LayerChannels({})
Layers = dict[int, keras.Operation]  # by the `id` of the operation that each is made of


def slim_network(model: keras.Model, graph: Graph, found: Dependencies, kept: np.ndarray) -> tuple[keras.Model, Layers]:
    """Builds a network of the channels that are kept, with their weights.

    Args:
        model: Keras model to make it of.
        graph: `Graph` of the model.
        found: `Dependencies` of the model.
        kept: Boolean array. Which labels are kept.

    Returns:
        Keras model, and its operations by the `id` of the model's own.
    """
    names: set[str] = {model.inputs[0].name}
    layers = {id(operation): _resized(operation, found, kept, names) for operation in graph.operations}
    (given,) = model.inputs
    values: dict[int, Any] = {0: keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)}
    for call in graph.calls:
        values |= call(values, layers[id(call.operation)])
    structure = model.outputs[0] if len(model.outputs) == 1 else model.output
    outputs = tree.pack_sequence_as(structure, [values[position] for position in graph.outputs])
    network = keras.Model(values[0], outputs, name=f"{model.name}_slim")
    for layer in flatten_layers(network):  # a teacher's may be frozen
        layer.trainable = True
    for operation in graph.operations:
        _copy_kept_weights(operation, layers[id(operation)], found.layers.get(id(operation), UNCUT), kept)
    return network, layers


def check_copies(graph: Graph, found: Dependencies) -> None:
    """Raises `InvalidInputError` if an operation of the graph cannot be made anew."""
    whole, names = np.ones(len(found.roots), bool), set()
    for operation in graph.operations:
        _resized(operation, found, whole, names)


def sliced(weight: Any, axes: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Returns the positions of a weight that are kept."""
    values = ops.convert_to_numpy(weight)
    for axis, positions in axes:
        values = np.take(values, positions, axis)
    return values


def _resized(operation: keras.Operation, found: Dependencies, kept: np.ndarray, names: set[str]) -> keras.Operation:
    """Returns an operation of the kept size, of a name of its own."""
    channels = found.layers.get(id(operation), UNCUT)
    try:
        config = _unregularized(operation.get_config()) | channels.config(lambda labels: int(kept[labels].sum()))
        name = operation.name
        while name in names:  # nested models may have layers of the same names
            name = f"{name}_1"
        names.add(name)
        return type(operation).from_config({**config, "name": name} if "name" in config else config)
    except Exception as error:  # a custom layer's configuration may raise anything
        raise InvalidInputError(
            f"layer {operation.name!r} cannot be copied ({type(error).__name__}: {single_line(error)[:200]}): give the "
            "class of the layer a get_config that names its arguments, or train a student from scratch."
        ) from error


def _unregularized(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a layer's configuration without its regularizers, which were of the teacher's own training."""
    return {name: None if name.endswith("regularizer") else value for name, value in config.items()}


def _copy_kept_weights(source: Any, target: Any, channels: LayerChannels, kept: np.ndarray) -> None:
    if not channels.weights:
        if getattr(source, "weights", None):
            copy_weights(source, target)
        return
    for name, axes in channels.weights.items():
        getattr(target, name).assign(sliced(getattr(source, name), kept_axes(axes, kept)))
