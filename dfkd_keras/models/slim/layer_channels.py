"""How the weights and the configuration of a layer follow the channels of its input and output."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Axes = tuple[np.ndarray | None, ...]  # the label of each position along each axis of a weight; None for all kept
Count = Callable[[np.ndarray], int]  # of the labels that are kept


@dataclasses.dataclass(frozen=True)
class LayerChannels:
    """The channels that a layer's weights and configuration speak of, by their labels as in `Units`.

    Args:
        weights: Dictionary of `Axes` by the name of a weight's attribute.
        config: Callable. Takes a count of kept labels, and returns the entries of the configuration that change.
            Defaults to no changes.
        taken: Integer array. Labels of the channels that the layer weighs; None if it weighs none.
        made: Integer array. Labels of the channels that it makes; None if it passes its input's on.
        bound: `Axes`. The labels of what has the same size in all calls of the layer besides its weights, such as the
            shape that it reshapes to. Defaults to nothing.
    """

    weights: dict[str, Axes]
    config: Callable[[Count], dict[str, Any]] = lambda count: {}
    taken: np.ndarray | None = None
    made: np.ndarray | None = None
    bound: Axes = ()


def weights_of(layer: keras.layers.Layer, axes: dict[str, Axes]) -> dict[str, Axes] | None:
    """Returns those weights that a layer has, or None if it has others too, such as adapters or quantized ones."""
    present = {name: labels for name, labels in axes.items() if getattr(layer, name, None) is not None}
    return present if len(present) == len(layer.weights) else None


def on_trailing_axis(layer: keras.layers.Layer, names: tuple[str, ...], labels: np.ndarray) -> dict[str, Axes] | None:
    """Returns weights with one value per channel on their last axis, or one for all channels."""
    axes: dict[str, Axes] = {}
    for name in names:
        shape = tuple(getattr(getattr(layer, name, None), "shape", ()))
        axes[name] = (*[None] * (len(shape) - 1), labels if shape and shape[-1] == len(labels) else None)
    return weights_of(layer, axes)


def kept_axes(axes: Axes, kept: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Returns the axes of a weight that are cut, each with the positions that are kept."""
    return [(axis, np.flatnonzero(kept[labels])) for axis, labels in enumerate(axes) if labels is not None]
