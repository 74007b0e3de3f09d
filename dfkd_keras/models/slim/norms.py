"""BatchNorm layers that take images for the data that the network was trained on.

On images that are no data, the activations of a network with BatchNorm are far from those that its weights were made
for, and what is fitted there does not carry over. With the images' own statistics, each channel has the mean and the
variance that it has on the data.

Reference: Raikwar and Mishra, "Discovering and Overcoming Limitations of Noise-engineered Data-free Knowledge
Distillation", NeurIPS 2022, who let the BatchNorm layers of a teacher adapt to noise.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.models.slim.graph import Call, Graph, Values, affordable, run_call
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.surgery import Layers
from dfkd_keras.models.slim.targets import Surroundings

SMALLEST_RATIO = 1e-2  # of the images' variance to the data's, for channels that the images hardly excite


def with_statistics_of(images: np.ndarray, graph: Graph, found: Dependencies) -> tuple[Graph, Dependencies]:
    """Returns a network whose BatchNorm layers are copies with the statistics of images; the rest is shared.

    Args:
        images: Array `[N, ...]` of inputs.
        graph: `Graph` of the network.
        found: `Dependencies` of the network.
    """
    around, channels, calls = Surroundings(graph), dict(found.layers), []
    if not any(_is_adaptable(call, around, found) for call in graph.calls):
        return graph, found
    values: Values = {0: affordable(graph, images)}
    for call, ended in zip(graph.calls, graph.released(), strict=True):
        if _is_adaptable(call, around, found):
            copy = _copy_of(call.operation, values[call.inputs[0]])
            channels[id(copy)] = found.layers[id(call.operation)]
            call = dataclasses.replace(call, operation=copy)
        calls.append(call)
        values |= run_call(call, values)
        for position in ended:
            del values[position]
    return Graph(calls, graph.outputs), dataclasses.replace(found, layers=channels)


def restore_statistics(
    graph: Graph, adapted: Graph, slim_layers: Layers, found: Dependencies, kept: np.ndarray
) -> None:
    """Gives the BatchNorm layers of a slim network the statistics of the data back, with what the refit changed.

    Args:
        graph: `Graph` of the network.
        adapted: `Graph` of its copy, from `with_statistics_of`.
        slim_layers: The slim network's operations, by those of `adapted`.
        found: `Dependencies` of `adapted`.
        kept: Boolean array. Which labels are kept.
    """
    for call, copy in zip(graph.calls, adapted.calls, strict=True):
        source, here, target = call.operation, copy.operation, slim_layers[id(copy.operation)]
        if source is not here:
            (labels,) = found.layers[id(here)].weights["moving_mean"]
            mean, variance, mean_here = (
                ops.convert_to_numpy(weight)[kept[labels]]
                for weight in (source.moving_mean, source.moving_variance, here.moving_mean)
            )
            target.moving_mean.assign(ops.convert_to_numpy(target.moving_mean) + mean - mean_here)
            target.moving_variance.assign(variance)


def _is_adaptable(call: Call, around: Surroundings, found: Dependencies) -> bool:
    operation = call.operation
    is_norm = type(operation) is layers.BatchNormalization and id(operation) in found.layers
    return is_norm and around.is_called_once(operation)


def _copy_of(norm: keras.layers.BatchNormalization, x: np.ndarray) -> keras.layers.BatchNormalization:
    copy = type(norm).from_config(norm.get_config())
    copy.build(x.shape)
    copy.set_weights(norm.get_weights())
    axes = tuple(range(x.ndim - 1))
    least = SMALLEST_RATIO * ops.convert_to_numpy(norm.moving_variance)
    copy.moving_mean.assign(x.mean(axes, dtype="float64"))
    copy.moving_variance.assign(np.maximum(x.var(axes, dtype="float64"), least))
    return copy
