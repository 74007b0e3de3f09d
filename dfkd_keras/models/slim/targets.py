"""What a layer of a slim network should put out, from what comes after it."""

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.models.slim.graph import Call, Graph, Values

SMALLEST_SCALE = 1e-3  # of a BatchNorm, below which its channel cannot make good anything


class Surroundings:
    """The calls of a network by what they take.

    Args:
        graph: `Graph` of the network.
    """

    def __init__(self, graph: Graph):
        called = [id(call.operation) for call in graph.calls]
        self._once = {key for key in called if called.count(key) == 1}
        self._users: dict[int, list[Call | None]] = {position: [None] for position in graph.outputs}
        for call in graph.calls:
            for position in call.inputs:
                self._users.setdefault(position, []).append(call)

    def is_called_once(self, operation: keras.Operation) -> bool:
        """Returns whether a layer's weights are for one call alone."""
        return id(operation) in self._once

    def norm_after(self, call: Call) -> Call | None:
        """Returns the call of the BatchNorm that alone takes the linear output of a call."""
        is_linear = getattr(call.operation.activation, "__name__", "") == "linear"
        user = self._only_user(call)
        if user is None or type(user.operation) is not layers.BatchNormalization or not is_linear:
            return None
        rank = user.operation.input_spec.ndim
        is_by_channel = user.operation.axis % rank == rank - 1
        return user if is_by_channel and self.is_called_once(user.operation) else None

    def others_in_sum(self, call: Call) -> list[int]:
        """Returns the tensors to which the linear output of a call, after its BatchNorm if it has one, is added."""
        if getattr(call.operation.activation, "__name__", "") != "linear":
            return []
        end = self.norm_after(call) or call
        user = self._only_user(end)
        if user is None or type(user.operation).__name__ != "Add":  # the layer, or the operation behind `+`
            return []
        return [position for position in user.inputs if position != end.outputs[0]]

    def _only_user(self, call: Call) -> Call | None:
        users = self._users.get(call.outputs[0], [])
        return users[0] if len(users) == 1 else None


def missing_in_sum(
    others: list[int], norm: keras.layers.Layer | None, whole: Values, slim: Values, places: list, kept: np.ndarray
) -> np.ndarray | float:
    """Returns what a layer should put out besides, to make good what the other terms of a sum lack.

    Args:
        others: List of integers. The positions of the other terms.
        norm: BatchNorm between the layer and the sum, or None.
        whole: The values of the whole network.
        slim: The values of the slim network.
        places: List of integer arrays. The positions of the layer's output that are looked at.
        kept: Boolean array. Which of its channels are kept.

    Returns:
        Array `[N, K]`, or 0 if a term is not known yet or is broadcast.
    """
    lacking = 0.0
    for position in others:
        if position not in slim or whole[position].shape[-1] != len(kept) or whole[position].ndim != len(places) + 1:
            return 0.0
        if any(index.max() >= size for index, size in zip(places, whole[position].shape, strict=False)):
            return 0.0
        lacking = lacking + whole[position][tuple(places)][:, kept].astype("float64") - slim[position][tuple(places)]
    if norm is None:
        return lacking
    deviation = np.sqrt(ops.convert_to_numpy(norm.moving_variance).astype("float64") + norm.epsilon)
    scale = ops.convert_to_numpy(norm.gamma) / deviation if norm.scale else 1.0 / deviation
    usable = np.abs(scale) > SMALLEST_SCALE
    return lacking * usable / np.where(usable, scale, 1.0)
