"""The channels of a network in groups: all that one layer makes, and all that are tied to those.

Reference: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

import dataclasses
import logging

import keras
import numpy as np

from dfkd_keras.models.slim.graph import Call, Graph
from dfkd_keras.models.slim.layer_channels import LayerChannels
from dfkd_keras.models.slim.layout import Layout, Shape, whole
from dfkd_keras.models.slim.rule_table import follow
from dfkd_keras.models.slim.rules import Site
from dfkd_keras.models.slim.units import KEPT, Units

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Dependencies:
    """What depends on which channels of a network.

    Args:
        roots: Integer array. The unit of each label, by the label that stands for it.
        layers: Dictionary of `LayerChannels` by the `id` of each operation that could be followed.
        groups: List of integer arrays. The units, by their root labels, that may be cut, a group for all that one layer
            makes or that is tied to it.
        kept_whole: List of strings. Names of the operations that could not be followed.
    """

    roots: np.ndarray
    layers: dict[int, LayerChannels]
    groups: list[np.ndarray]
    kept_whole: list[str]


def dependencies(graph: Graph, shapes: dict[int, Shape]) -> Dependencies:
    """Follows the channels of a network; those of its input and of its outputs are never cut.

    Args:
        graph: `Graph` of the network.
        shapes: Dictionary. The shapes of its tensors by their positions.
    """
    units, layouts = Units(), {0: whole(shapes[0])}
    layers: dict[int, LayerChannels] = {}
    kept_whole: dict[str, None] = {}
    for call in graph.calls:
        inputs = [layouts[position] for position in call.inputs]
        followed = follow(Site(call.operation, inputs, call.constants, shapes[call.outputs[0]], units))
        if followed is not None:
            layouts[call.outputs[0]], channels = followed
            _tie_calls(layers.setdefault(id(call.operation), channels), channels, units)
        elif _keep_whole(call, layouts, shapes, units):
            kept_whole[call.operation.name] = None
    for position in graph.outputs:
        units.freeze(layouts[position].labels)
    if kept_whole:
        logger.info("layers that slimming cannot follow are kept whole: %s", ", ".join(kept_whole))
    roots = units.all_roots()
    return Dependencies(roots, layers, _groups(layers, roots), list(kept_whole))


def _tie_calls(first: LayerChannels, channels: LayerChannels, units: Units) -> None:
    """Ties the channels of all calls of a layer that is called several times, since it is the same layer in each."""
    pairs = [(first.bound, channels.bound), *((first.weights[name], axes) for name, axes in channels.weights.items())]
    for known, labels in (pair for axes in pairs for pair in zip(*axes, strict=True)):
        if known is not None and labels is not None:
            units.join(known, labels)
        elif known is not labels:
            units.freeze(known if labels is None else labels)


def _keep_whole(call: Call, layouts: dict[int, Layout], shapes: dict[int, Shape], units: Units) -> bool:
    """Lets no channel of a call be cut, and returns whether it could have been."""
    layouts |= {position: whole(shapes[position]) for position in call.outputs}
    cuttable = [units.freeze(layouts[position].labels) for position in call.inputs]
    return any(cuttable) or _could_be_smaller(call.operation)


def _could_be_smaller(operation: keras.Operation) -> bool:
    is_layer = isinstance(operation, keras.layers.Layer)
    return is_layer and bool(operation.weights) and not isinstance(operation, keras.layers.Normalization)


def _groups(layers: dict[int, LayerChannels], roots: np.ndarray) -> list[np.ndarray]:
    """Returns the units that can be cut, grouped by the layers that make them."""
    made = [roots[channels.made] for channels in layers.values() if channels.made is not None]
    groups: list[set[int]] = []
    for members in (set(own[own != KEPT].tolist()) for own in made):
        shared = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members] + [members.union(*shared)]
    return [np.array(sorted(group)) for group in groups if group]
