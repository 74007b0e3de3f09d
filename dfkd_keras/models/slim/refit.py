"""The refit of a slim network: every layer makes good what is missing since its inputs have fewer channels.

Reference: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, here on images that are
no data: whatever calibrates the choice of the channels.
"""

import math

import keras
import numpy as np
from keras import ops

from dfkd_keras.models.slim.graph import Call, Graph, Values, affordable, run_call
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.patches import (
    DEPTHWISE,
    REGULAR,
    SEPARABLE,
    TRANSPOSED,
    add_to_kernel,
    draw_places,
    kernel_rows,
    linear_outputs,
    rows_at,
)
from dfkd_keras.models.slim.regression import correction, correction_by_channel
from dfkd_keras.models.slim.surgery import Layers
from dfkd_keras.models.slim.targets import Surroundings, missing_in_sum

ROWS = 20_000
ROW_VALUES = 2**24  # of all rows of one layer together
REFITTED = (*REGULAR, *TRANSPOSED, *SEPARABLE, *DEPTHWISE)


def refit(graph: Graph, slim_layers: Layers, found: Dependencies, kept: np.ndarray, images: np.ndarray) -> None:
    """Changes the weights of a slim network so that its layers come closest to those of the whole one.

    Layer by layer, ridge regression from the slim network's own inputs, with what was refitted before, to the whole
    network's outputs before the activation. What a layer without a bias lacks on average is taken up by the moving mean
    of the BatchNorm after it.

    Args:
        graph: `Graph` of the whole network.
        slim_layers: The slim network's operations, from `slim_network`.
        found: `Dependencies` of the network.
        kept: Boolean array. Which labels are kept.
        images: Array `[N, ...]` of inputs.
    """
    rng = np.random.default_rng(0)
    images = affordable(graph, images)
    whole: Values = {0: images}
    slim: Values = {0: images}
    around = Surroundings(graph)
    for call, ended in zip(graph.calls, graph.released(), strict=True):
        whole |= run_call(call, whole)
        layer = slim_layers[id(call.operation)]
        if _can_be_refitted(call, around, found):
            (position,), outputs = call.inputs, kept[_output_labels(call.operation, found)]
            norm_call = around.norm_after(call)
            norm = norm_call and slim_layers[id(norm_call.operation)]
            places = draw_places(whole[call.outputs[0]].shape, _row_count(layer, call.operation), rng)
            target = linear_outputs(call.operation, rows_at(call.operation, whole[position], places))[:, outputs]
            target += missing_in_sum(around.others_in_sum(call), norm, whole, slim, places, outputs)
            _refit_layer(layer, rows_at(layer, slim[position], places), target, norm)
        slim |= run_call(call, slim, layer)
        for position in ended:
            del whole[position], slim[position]


def _can_be_refitted(call: Call, around: Surroundings, found: Dependencies) -> bool:
    operation = call.operation
    is_known = type(operation) in REFITTED and id(operation) in found.layers and around.is_called_once(operation)
    return is_known and getattr(operation, "output_padding", None) is None


def _output_labels(layer: keras.layers.Layer, found: Dependencies) -> np.ndarray:
    channels = found.layers[id(layer)]
    if channels.made is not None:
        return channels.made
    return np.repeat(channels.weights["kernel"][-2], layer.depth_multiplier)


def _refit_layer(layer: keras.layers.Layer, x: np.ndarray, target: np.ndarray, norm: keras.layers.Layer | None) -> None:
    """Changes the weights of one layer, and the moving mean of the BatchNorm that takes up its bias."""
    missing, has_bias = target - linear_outputs(layer, x), layer.use_bias or norm is not None
    if isinstance(layer, DEPTHWISE):
        found = correction_by_channel(x, missing, target, has_bias)
    else:
        found = correction(x, missing, target, has_bias)
    if found is None:
        return
    weights, bias = found
    add_to_kernel(layer, weights)
    if layer.use_bias:
        layer.bias.assign(ops.convert_to_numpy(layer.bias) + bias)
    elif norm is not None:
        norm.moving_mean.assign(ops.convert_to_numpy(norm.moving_mean) - bias)


def _row_count(layer: keras.layers.Layer, original: keras.layers.Layer) -> int:
    values = max(math.prod(kernel_rows(each).shape[:-1]) for each in (layer, original))
    return min(ROWS, max(1, ROW_VALUES // values))
