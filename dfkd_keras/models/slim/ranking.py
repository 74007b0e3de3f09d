"""The channels of each group in the order of what they are good for to the layers that take them."""

import dataclasses

import keras
import numpy as np
from keras import ops

from dfkd_keras.models.slim.graph import Graph, batches
from dfkd_keras.models.slim.groups import Dependencies
from dfkd_keras.models.slim.layer_channels import LayerChannels

ROWS = 4096  # of the activations of each batch
STEPS = 512  # in which the channels of a group are ranked; in larger groups, several at a time
NEGLIGIBLE = 1e-9  # variance, relative to the mean one of the group


@dataclasses.dataclass
class Use:
    """How one layer takes the channels of one group.

    Args:
        columns: Integer array `[P, U]`. The positions on its input axis of each unit of the group, of which a flattened
            image has several; -1 for none.
        weights: Float array `[U, M]`, whose products are those of the weights that the units get.
        sums: Float array `[P, U]`. The sum of the activations.
        products: Float array `[U, U]`. The sum of the products of the activations.
        count: Integer. The number of rows in these sums.
    """

    columns: np.ndarray
    weights: np.ndarray
    sums: np.ndarray
    products: np.ndarray
    count: int = 0

    def add(self, rows: np.ndarray) -> None:
        """Adds activations `[N, C]` of the layer's input."""
        values = np.where(self.columns >= 0, rows[:, self.columns], 0.0).astype("float64")
        self.sums += values.sum(0)
        flat = values.reshape(-1, values.shape[-1])
        self.products += flat.T @ flat
        self.count += len(rows)

    @property
    def energy(self) -> float:
        """Float. The variance of what the layer makes of the group."""
        return float(np.sum(self.covariance * (self.weights @ self.weights.T)))

    @property
    def covariance(self) -> np.ndarray:
        """Float array `[U, U]`. The covariance of the units, summed over their positions."""
        return (self.products - self.sums.T @ self.sums / self.count) / self.count


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The units of a group, the most useful ones first.

    Args:
        units: Integer array `[U]`. Their root labels.
        unexplained: Float array `[U + 1]`. The share of what the next layers make of the group that the first 0, 1, ...
            units leave unexplained, summed over these layers.
    """

    units: np.ndarray
    unexplained: np.ndarray


def ranked_groups(graph: Graph, found: Dependencies, images: np.ndarray) -> list[Ranking]:
    """Ranks the units of each group of channels.

    Forward selection: next comes the unit that, with those before it, best predicts by least squares what the layers
    that take the group make of all of its units. One that repeats others or that never changes comes last.

    Args:
        graph: `Graph` of the network.
        found: `Dependencies` of the network.
        images: Array `[N, ...]` of inputs.

    Reference:
        Farahat et al., "An Efficient Greedy Method for Unsupervised Feature Selection", ICDM 2011.
    """
    uses: dict[int, list[tuple[int, Use]]] = {}
    for operation in graph.operations:
        channels = found.layers.get(id(operation))
        if channels is not None and channels.taken is not None:
            uses[id(operation)] = _uses(operation, channels, found)
    rng = np.random.default_rng(0)
    for batch in batches(images):
        for call, values in graph.run(batch):
            if uses.get(id(call.operation)):
                rows = _some_rows(ops.convert_to_numpy(values[call.inputs[0]]), rng)
                for _, use in uses[id(call.operation)]:
                    use.add(rows)
    of_group: list[list[Use]] = [[] for _ in found.groups]
    for number, use in (pair for pairs in uses.values() for pair in pairs):
        of_group[number].append(use)
    rankings = []
    for group, own in zip(found.groups, of_group, strict=True):
        order, unexplained = forward_selection(own, len(group))
        rankings.append(Ranking(group[order], unexplained))
    return rankings


def forward_selection(uses: list[Use], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Orders the units of a group by forward selection.

    Returns:
        Integer array `[U]`, the units by their positions, and float array `[U + 1]`, the share of what the layers make
        of the group that the first 0, 1, ... of them leave unexplained, summed over the layers.
    """
    predictions = [_Prediction(use) for use in uses]
    order: list[int] = []
    unexplained: list[float] = []
    while len(order) < count:
        remaining = sum(prediction.unexplained() for prediction in predictions)
        score = sum((prediction.gains() for prediction in predictions), np.zeros(count))
        score[order] = -1.0
        chosen = np.argsort(-score, kind="stable")[: min(-(-count // STEPS), count - len(order))].tolist()
        order.extend(chosen)
        unexplained.extend([remaining] * len(chosen))
        for prediction in predictions:
            for unit in chosen:
                prediction.add(unit)
    return np.array(order), np.array([*unexplained, 0.0])


class _Prediction:
    """The least-squares prediction of what a layer makes of a group from the units added so far, a pivoted Cholesky."""

    def __init__(self, use: Use):
        self.covariance, self.weights = use.covariance / (use.energy or 1.0), use.weights
        self.variances = self.covariance.diagonal().copy()  # of what is left of each unit
        self.effects = self.covariance @ self.weights  # covariance of that with what is left of the outputs
        self.factors = np.zeros(self.covariance.shape)
        self.size = 0
        self.negligible = NEGLIGIBLE * self.variances.mean()

    def unexplained(self) -> float:
        """Returns the share of the outputs' variance that is left."""
        return float(np.einsum("um,um->", self.effects, self.weights))

    def gains(self) -> np.ndarray:
        """Returns how much of it each unit would explain."""
        known = self.variances > self.negligible
        return np.where(known, np.einsum("um,um->u", self.effects, self.effects), 0.0) / np.where(
            known, self.variances, 1.0
        )

    def add(self, unit: int) -> None:
        """Predicts from one more unit, unless nothing of it is left."""
        if self.variances[unit] <= self.negligible:
            return
        known = self.factors[: self.size]
        factor = (self.covariance[unit] - known[:, unit] @ known) / np.sqrt(self.variances[unit])
        self.effects -= np.outer(factor, self.effects[unit] / np.sqrt(self.variances[unit]))
        self.variances -= np.square(factor)
        self.factors[self.size] = factor
        self.size += 1


def _uses(layer: keras.layers.Layer, channels: LayerChannels, found: Dependencies) -> list[tuple[int, Use]]:
    """Returns how a layer takes the channels of each group, by the number of the group."""
    roots, outgoing = found.roots[channels.taken], outgoing_weights(layer, channels)
    uses = []
    for number, group in enumerate(found.groups):
        places = [np.flatnonzero(roots == root) for root in group]
        most = max(map(len, places))
        if most:
            columns = np.array([np.pad(own, (0, most - len(own)), constant_values=-1) for own in places]).T
            weights = np.where(columns[..., None] >= 0, outgoing[columns], 0.0)
            flat = np.moveaxis(weights, 0, 1).reshape(len(group), -1)
            size = len(group)
            uses.append((number, Use(columns, _factor(flat), np.zeros(columns.shape), np.zeros((size, size)))))
    return uses


def outgoing_weights(layer: keras.layers.Layer, channels: LayerChannels) -> np.ndarray:
    """Returns the weights that each channel gets in a layer that takes it, `[C, M]`."""
    if "pointwise_kernel" in channels.weights:
        depthwise, pointwise = (
            ops.convert_to_numpy(kernel).astype("float64")
            for kernel in (layer.depthwise_kernel, layer.pointwise_kernel)
        )
        taken, multiplier = depthwise.shape[-2:]
        pointwise = pointwise.reshape(taken, multiplier, -1)
        return np.einsum("tcm,cmk->ctk", depthwise.reshape(-1, taken, multiplier), pointwise).reshape(taken, -1)
    (axis,) = (axis for axis, labels in enumerate(channels.weights["kernel"]) if labels is channels.taken)
    kernel = np.moveaxis(ops.convert_to_numpy(layer.kernel).astype("float64"), axis, 0)
    return kernel.reshape(len(kernel), -1)


def _factor(weights: np.ndarray) -> np.ndarray:
    """Returns weights of the same products with no more columns than rows."""
    return weights if weights.shape[1] <= len(weights) else np.linalg.qr(weights.T, mode="r").T


def _some_rows(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns activations as rows, a random part if there are many."""
    rows = x.reshape(-1, x.shape[-1])
    return rows if len(rows) <= ROWS else rows[rng.choice(len(rows), ROWS, replace=False)]
