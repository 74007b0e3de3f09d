"""What every kind of layer does to channels: which it ties together, which it makes, which it passes on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import layers

from dfkd_keras.models.slim.layer_channels import Axes, LayerChannels, on_trailing_axis, weights_of
from dfkd_keras.models.slim.layout import Layout, Shape, concatenated, merged, on_last_axis, permuted, reshaped, whole
from dfkd_keras.models.slim.units import Units

# Activations that are not computed for each channel alone.
ACROSS_CHANNELS = ("glu", "log_softmax", "softmax", "sparsemax")


@dataclasses.dataclass(frozen=True)
class Site:
    """One call of an operation, with the layouts of the tensors that it takes, its other arguments and its output."""

    operation: Any
    inputs: list[Layout]
    constants: list[Any]
    shape: Shape
    units: Units

    def last_axis(self) -> Layout:
        """Returns the layout of the only input, its channels on the last axis."""
        (layout,) = self.inputs
        return on_last_axis(layout, self.units)


Followed = tuple[Layout, LayerChannels]
Rule = Callable[[Site], Followed | None]  # None for a call that cannot be followed


def elementwise(site: Site) -> Followed | None:
    """Follows a layer without weights that computes every value by itself."""
    (layout,) = site.inputs
    activation = getattr(site.operation, "activation", None)
    if getattr(activation, "__name__", None) in ACROSS_CHANNELS:
        return across_channels(site)
    if (activation is not None and not _by_channel(activation)) or not _only_scalars(site.constants):
        return None
    return layout, LayerChannels({})


def across_channels(site: Site) -> Followed:
    """Keeps all channels that a softmax compares."""
    site.units.freeze(site.inputs[0].labels)
    return whole(site.shape), LayerChannels({})


def spatial(site: Site) -> Followed | None:
    """Follows a layer without weights that computes every channel by itself: pooling, padding, enlarging."""
    if getattr(site.operation, "data_format", None) == "channels_first":
        return None
    return site.last_axis().with_shape(site.shape), LayerChannels({})


def padding(site: Site) -> Followed | None:
    """Follows a padding with a constant; channels that it adds, as in shortcuts without weights, can be cut too."""
    layer, (layout,) = site.operation, site.inputs
    is_layer = isinstance(layer, layers.Layer)
    name = "padding" if is_layer else "pad_width"
    pads = np.atleast_2d(getattr(layer, name)).tolist()
    pads = [[0, 0], *pads, [0, 0]] if is_layer else pads
    is_first = getattr(layer, "data_format", None) == "channels_first"
    if is_first or len(pads) != len(layout.shape) or not _only_scalars(site.constants):
        return None
    if not any(pads[layout.axis]):
        return Layout(site.shape, layout.axis, layout.labels), LayerChannels({})
    if getattr(layer, "mode", "constant") != "constant":
        return None
    before, after = map(site.units.new, pads[layout.axis])

    def config(count: Callable[[np.ndarray], int]) -> dict[str, Any]:
        cut = [*pads[: layout.axis], [count(before), count(after)], *pads[layout.axis + 1 :]]
        return {name: np.reshape(cut[1:-1] if is_layer else cut, np.shape(getattr(layer, name))).tolist()}

    made = np.concatenate([before, after])
    labels = np.concatenate([before, layout.labels, after])
    return Layout(site.shape, layout.axis, labels), LayerChannels({}, config, made=made, bound=(before, after))


def rescaling(site: Site) -> Followed | None:
    """Follows a layer that scales all channels alike."""
    return elementwise(site) if _only_scalars([site.operation.scale, site.operation.offset]) else None


def reduction(site: Site) -> Followed | None:
    """Follows a mean or maximum over other axes than the last."""
    layout, axes = site.last_axis(), site.operation.axis
    last = len(layout.shape) - 1
    if axes is None or last in [axis % (last + 1) for axis in np.ravel(axes)]:
        return None
    return layout.with_shape(site.shape), LayerChannels({})


def merging(site: Site) -> Followed | None:
    """Follows a layer that combines tensors elementwise."""
    has_array = len(site.inputs) == 1 and len(site.constants) > 1  # the values of a list
    if has_array or not _only_scalars(site.constants) or any(len(layout.shape) < 2 for layout in site.inputs):
        return None
    return merged(site.inputs, site.shape, site.units), LayerChannels({})


def concatenation(site: Site) -> Followed:
    """Follows a concatenation."""
    return concatenated(site.inputs, site.shape, site.operation.axis, site.units), LayerChannels({})


def reshaping(site: Site) -> Followed | None:
    """Follows Flatten and Reshape."""
    (layout,) = site.inputs
    if getattr(site.operation, "data_format", None) == "channels_first":
        return None
    after = reshaped(layout, site.shape, site.units)

    def config(count: Callable[[np.ndarray], int]) -> dict[str, Any]:
        target = list(getattr(site.operation, "target_shape", ()))
        if target and target[after.axis - 1] != -1:
            target[after.axis - 1] = count(after.labels)
        return {"target_shape": target} if target else {}

    bound = after.axes if hasattr(site.operation, "target_shape") else ()
    return after, LayerChannels({}, config, bound=bound)


def permutation(site: Site) -> Followed:
    """Follows Permute."""
    (layout,) = site.inputs
    return permuted(layout, tuple(site.operation.dims)), LayerChannels({})


def by_channel(*names: str) -> Rule:
    """Returns the rule for layers with the named weights, of which every channel has its own: norms and PReLU."""

    def rule(site: Site) -> Followed | None:
        layout = site.last_axis()
        axes = {axis % len(layout.shape) for axis in np.ravel(getattr(site.operation, "axis", -1))}
        weights = on_trailing_axis(site.operation, names, layout.labels)
        if weights is None or len(layout.shape) - 1 not in axes:
            return None
        return layout, LayerChannels(weights)

    return rule


def group_norm(site: Site) -> Followed | None:
    """Follows GroupNormalization, whose groups are kept or cut as a whole, so that the others stay as they were."""
    followed, groups = by_channel("gamma", "beta")(site), site.operation.groups
    if followed is None:
        return None
    layout, channels = followed
    channels = dataclasses.replace(channels, bound=layout.axes)
    if groups == 1:
        return layout, channels
    blocks = layout.labels.reshape(groups if groups > 0 else len(layout.labels), -1)
    for position in range(1, blocks.shape[1]):
        site.units.join(blocks[:, 0], blocks[:, position])
    return layout, dataclasses.replace(channels, config=lambda count: {"groups": count(blocks[:, 0])})


def dense(site: Site) -> Followed | None:
    """Follows Dense."""
    return _made(site, "units", ("taken", "made"))


def convolution(site: Site) -> Followed | None:
    """Follows Conv1D, Conv2D and Conv3D."""
    window = (None,) * len(site.operation.kernel_size)
    return None if site.operation.groups > 1 else _made(site, "filters", (*window, "taken", "made"))


def transposed_convolution(site: Site) -> Followed | None:
    """Follows Conv1DTranspose, Conv2DTranspose and Conv3DTranspose."""
    return _made(site, "filters", (*[None] * len(site.operation.kernel_size), "made", "taken"))


def depthwise_convolution(site: Site) -> Followed | None:
    """Follows DepthwiseConv1D and DepthwiseConv2D, which make one or several channels of each."""
    layer, layout = site.operation, site.last_axis()
    made = np.repeat(layout.labels, layer.depth_multiplier)
    weights = weights_of(layer, {"kernel": (*[None] * len(layer.kernel_size), layout.labels, None), "bias": (made,)})
    if weights is None or layer.data_format == "channels_first" or not _by_channel(layer.activation):
        return None
    return Layout(site.shape, len(site.shape) - 1, made), LayerChannels(weights)


def separable_convolution(site: Site) -> Followed | None:
    """Follows SeparableConv1D and SeparableConv2D."""
    layer, window = site.operation, (None,) * len(site.operation.kernel_size)
    repeated = np.repeat(site.last_axis().labels, layer.depth_multiplier)
    depthwise = {"depthwise_kernel": (*window, "taken", None)}
    return _made(site, "filters", (*window, repeated, "made"), "pointwise_kernel", depthwise)


def _made(
    site: Site, size: str, kernel: tuple, name: str = "kernel", others: dict[str, tuple] | None = None
) -> Followed | None:
    """Follows a layer that makes new channels; "taken" and "made" stand for the labels of its input and output."""
    layer, layout = site.operation, site.last_axis()
    labels = {"taken": layout.labels, "made": site.units.new(site.shape[-1])}

    def axes(names: tuple) -> Axes:
        return tuple(labels[axis] if isinstance(axis, str) else axis for axis in names)

    all_names = {name: kernel, "bias": ("made",), **(others or {})}
    weights = weights_of(layer, {key: axes(names) for key, names in all_names.items()})
    if weights is None or getattr(layer, "data_format", None) == "channels_first":
        return None
    if not _by_channel(layer.activation):
        site.units.freeze(labels["made"])
    channels = LayerChannels(weights, lambda count: {size: count(labels["made"])}, **labels)
    return Layout(site.shape, len(site.shape) - 1, labels["made"]), channels


def _by_channel(activation: Any) -> bool:
    """Returns whether an activation, a function or a layer, is one of Keras that treats every channel alike."""
    if isinstance(activation, layers.Layer):
        return type(activation) in (layers.ReLU, layers.LeakyReLU, layers.ELU)
    known = getattr(activation, "__module__", "").startswith("keras.")
    return known and getattr(activation, "__name__", None) not in ACROSS_CHANNELS


def _only_scalars(values: list[Any]) -> bool:
    return all(np.ndim(value) == 0 for value in values if not isinstance(value, str))
