"""What BatchNorm layers see of a batch, and remember of the training data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops


class BatchStatistics(NamedTuple):
    """What one BatchNorm layer saw in this batch, and what it remembers of the training data; each `[C]`."""

    mean: Any
    variance: Any
    moving_mean: Any
    moving_variance: Any


def channel_moments(x: Any, channels: int) -> tuple[Any, Any]:
    """Returns what `ops.moments` does, with a gradient that costs two passes over x.

    The gradient is affine in x, (g_mean + 2 g_variance (x - mean)) / N. Automatic differentiation does not know that,
    and passes over arrays of x's size three times as often.

    Args:
        x: float32 `[..., C, ...]`.
        channels: the axis of the channels.

    Returns:
        Mean and biased variance over all other axes, `[C]` each.
    """
    axes = _all_but(channels, x)

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
    """Returns what keeps the `BatchStatistics` of a layer's input, see `ForwardHooks`."""

    def record(kept, inputs, outputs):
        moving = layer.moving_mean, layer.moving_variance
        seen = channel_moments(ops.cast(inputs, "float32"), layer.axis)
        statistics = BatchStatistics(*seen, *map(ops.convert_to_tensor, moving))
        kept.setdefault("batch_statistics", []).append(statistics)

    return record


def means_recorder(layer: keras.layers.BatchNormalization) -> Callable:
    """Returns what keeps the mean over positions of each channel and sample of a layer's input, `[B, C]`."""

    def record(kept, inputs, outputs):
        means = ops.mean(ops.cast(inputs, "float32"), axis=_all_but(layer.axis, inputs)[1:])
        kept.setdefault("sample_means", []).append(means)

    return record


def _all_but(channels: int, x: Any) -> list[int]:
    return [axis for axis in range(len(x.shape)) if axis != channels % len(x.shape)]
