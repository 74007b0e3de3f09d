"""Statistics of the inputs of BatchNorm layers, in a batch and in the training data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from dfkd_keras.teacher.hooks import layers_in_order


class BatchStatistics(NamedTuple):
    """Statistics of one BatchNorm layer's input: of this batch, and the running ones of the training data.

    Attributes:
        mean: Float32 tensor `[C]`. Mean of the batch.
        variance: Float32 tensor `[C]`. Biased variance of the batch.
        moving_mean: Float32 tensor `[C]`. The layer's moving mean.
        moving_variance: Float32 tensor `[C]`. The layer's moving variance.
    """

    mean: Any
    variance: Any
    moving_mean: Any
    moving_variance: Any


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns a model's BatchNorm layers, at any depth, in the order of their creation."""
    return [layer for layer in layers_in_order(model) if isinstance(layer, keras.layers.BatchNormalization)]


def channel_moments(x: Any, channel_axis: int) -> tuple[Any, Any]:
    """Returns what `ops.moments` does, with a gradient that costs two passes over x.

    The gradient is affine in x, (g_mean + 2 g_variance (x - mean)) / N. Automatic differentiation does not know that,
    and makes three times as many passes over arrays of x's size.

    Args:
        x: Float32 tensor `[..., C, ...]`.
        channel_axis: Integer. The axis of the channels.

    Returns:
        Two float32 tensors `[C]`: the mean and the biased variance over all other axes.
    """
    axes = _all_but(channel_axis, x)

    @ops.custom_gradient
    def moments(x):
        mean = ops.mean(x, axes, keepdims=True)
        # Not about the mean, which would be a pass more; its relative error is some 1e-7 (1 + mean^2 / variance).
        variance = ops.mean(ops.square(x), axes, keepdims=True) - ops.square(mean)
        averaged = ops.cast(ops.size(x) // ops.size(mean), "float32")

        def gradient(upstream):
            of_mean, of_variance = ops.unstack(upstream / averaged, 2)
            slope = 2.0 * of_variance
            return x * slope + (of_mean - slope * mean)

        return ops.stack([mean, variance]), gradient

    return tuple(ops.unstack(ops.squeeze(moments(x), [axis + 1 for axis in axes]), 2))


def statistics_recorder(layer: keras.layers.BatchNormalization) -> Callable:
    """Returns a hook, see `ForwardHooks`, that appends the `BatchStatistics` of a layer's input."""

    def record(kept, inputs, outputs):
        moving = (ops.cast(each, "float32") for each in (layer.moving_mean, layer.moving_variance))
        statistics = BatchStatistics(*channel_moments(ops.cast(inputs, "float32"), layer.axis), *moving)
        kept.setdefault("batch_statistics", []).append(statistics)

    return record


def means_recorder(layer: keras.layers.BatchNormalization) -> Callable:
    """Returns a hook that appends the mean over positions of a layer's input, `[B, C]`: one row for each sample."""

    def record(kept, inputs, outputs):
        means = ops.mean(ops.cast(inputs, "float32"), axis=_all_but(layer.axis, inputs)[1:])
        kept.setdefault("sample_means", []).append(means)

    return record


def _all_but(channel_axis: int, x: Any) -> list[int]:
    return [axis for axis in range(len(x.shape)) if axis != channel_axis % len(x.shape)]
