"""The refit of a slim network: every layer makes good what is missing since its inputs have fewer channels.

Reference: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, here on images that are
no data: whatever calibrates the choice of the channels.
"""

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.models.slim.graph import Call, Graph, Values, batches
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.patches import draw_places, kernel_rows, rows_at
from dfkd_keras.models.slim.regression import correction
from dfkd_keras.models.slim.surgery import Layers
from dfkd_keras.models.slim.targets import Surroundings, missing_in_sum

MEMORY = 2**30  # bytes of activations, of both networks together
ROWS = 20_000
ROW_VALUES = 2**24  # of all rows of one layer together
REFITTED = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)


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
    images = images[rng.permutation(len(images))[: _affordable(graph, images)]]
    whole: Values = {0: images}
    slim: Values = {0: images}
    around = Surroundings(graph)
    for call, ended in zip(graph.calls, graph.released(), strict=True):
        whole |= _run(call, whole, call.operation)
        layer = slim_layers[id(call.operation)]
        channels = found.layers.get(id(call.operation))
        if type(layer) in REFITTED and channels is not None and around.is_called_once(call.operation):
            (position,), outputs = call.inputs, kept[channels.made]
            norm_call = around.norm_after(call)
            norm = norm_call and slim_layers[id(norm_call.operation)]
            places = draw_places(whole[call.outputs[0]].shape, _row_count(layer, call.operation), rng)
            target = _outputs(call.operation, rows_at(call.operation, whole[position], places))[:, outputs]
            target += missing_in_sum(around.others_in_sum(call), norm, whole, slim, places, outputs)
            _refit_layer(layer, rows_at(layer, slim[position], places), target, norm)
        slim |= _run(call, slim, layer)
        for position in ended:
            del whole[position], slim[position]


def _refit_layer(layer: keras.layers.Layer, x: np.ndarray, target: np.ndarray, norm: keras.layers.Layer | None) -> None:
    """Changes the weights of one layer, and the moving mean of the BatchNorm that takes up its bias."""
    has_bias = layer.use_bias or norm is not None
    found = correction(x, target - _outputs(layer, x), target, has_bias)
    if found is None:
        return
    weights, bias = found
    layer.kernel.assign(ops.convert_to_numpy(layer.kernel) + weights.reshape(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(ops.convert_to_numpy(layer.bias) + bias)
    elif norm is not None:
        norm.moving_mean.assign(ops.convert_to_numpy(norm.moving_mean) - bias)


def _outputs(layer: keras.layers.Layer, rows: np.ndarray) -> np.ndarray:
    """Returns the outputs of a layer before its activation."""
    bias = ops.convert_to_numpy(layer.bias).astype("float64") if layer.use_bias else 0.0
    return rows @ kernel_rows(layer) + bias


def _row_count(layer: keras.layers.Layer, original: keras.layers.Layer) -> int:
    return min(ROWS, max(1, ROW_VALUES // max(kernel_rows(original).shape[0], kernel_rows(layer).shape[0])))


def _run(call: Call, values: Values, operation: keras.Operation) -> Values:
    """Returns the outputs of a call for all images."""
    needed = set(call.inputs)
    count = len(values[next(iter(needed))])
    parts = [
        call({position: values[position][rows] for position in needed}, operation) for rows in batches(np.arange(count))
    ]
    return {key: np.concatenate([ops.convert_to_numpy(part[key]) for part in parts]) for key in call.outputs}


def _affordable(graph: Graph, images: np.ndarray) -> int:
    """Returns how many images can be in memory with the activations of both networks."""
    largest = max(
        sum(4 * int(np.prod(value.shape)) for value in values.values()) for _, values in graph.run(images[:1])
    )
    return max(1, MEMORY // (2 * largest))
