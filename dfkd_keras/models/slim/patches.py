"""The inputs that a dense or convolutional layer sees at single positions of its output, as rows."""

import keras
import numpy as np
from keras import layers, ops

REGULAR = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


def kernel_name(layer: keras.layers.Layer) -> str:
    """Returns the name of the weight that makes outputs of rows."""
    return "pointwise_kernel" if isinstance(layer, SEPARABLE) else "kernel"


def kernel_rows(layer: keras.layers.Layer) -> np.ndarray:
    """Returns the kernel of a layer as a matrix `[D, K]` from rows to outputs, or `[T, C, M]` of a depthwise one."""
    kernel = ops.convert_to_numpy(getattr(layer, kernel_name(layer))).astype("float64")
    if isinstance(layer, DEPTHWISE):
        return kernel.reshape(-1, *kernel.shape[-2:])
    if isinstance(layer, TRANSPOSED):
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, kernel.shape[-1])


def add_to_kernel(layer: keras.layers.Layer, rows: np.ndarray) -> None:
    """Adds a matrix in the form of `kernel_rows` to the kernel of a layer."""
    kernel = getattr(layer, kernel_name(layer))
    shape = tuple(kernel.shape)
    if isinstance(layer, TRANSPOSED):
        rows = np.swapaxes(rows.reshape(*shape[:-2], shape[-1], shape[-2]), -1, -2)
    kernel.assign(ops.convert_to_numpy(kernel) + rows.reshape(shape))


def draw_places(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draws positions of outputs, in the order of the images.

    Args:
        shape: Tuple of integers. Shape of the outputs, `[N, ..., K]`.
        count: Integer. How many at most.
        rng: NumPy generator.

    Returns:
        List of one integer array per axis but the last.
    """
    places = int(np.prod(shape[:-1]))
    drawn = np.arange(places) if places <= count else np.sort(rng.choice(places, count, replace=False))
    return list(np.unravel_index(drawn, shape[:-1]))


def rows_at(layer: keras.layers.Layer, x: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Returns the inputs of a layer at positions of its output, float64 `[N, D]`.

    Those of a separable convolution are what its pointwise convolution takes; those of a depthwise one, of whose
    channels each has its own, are `[N, T, C]`.

    Args:
        layer: Dense layer or convolution.
        x: Array `[N, ..., C]`. The layer's inputs.
        places: List of integer arrays, as from `draw_places`.
    """
    if isinstance(layer, keras.layers.Dense):
        return x[tuple(places)].astype("float64")
    if isinstance(layer, SEPARABLE):
        windows = windows_at(layer, x, places)
        depthwise = ops.convert_to_numpy(layer.depthwise_kernel).astype("float64")
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        return np.einsum("ntc,tcm->ncm", windows, depthwise).reshape(len(windows), -1)
    windows = windows_at(layer, x, places)
    return windows if isinstance(layer, DEPTHWISE) else windows.reshape(len(windows), -1)


def linear_outputs(layer: keras.layers.Layer, rows: np.ndarray) -> np.ndarray:
    """Returns the outputs of a layer before its activation, float64 `[N, K]`, from its `rows_at`."""
    kernel = kernel_rows(layer)
    outputs = np.einsum("ntc,tcm->ncm", rows, kernel) if kernel.ndim == 3 else rows @ kernel
    bias = ops.convert_to_numpy(layer.bias).astype("float64") if layer.use_bias else 0.0
    return outputs.reshape(len(rows), -1) + bias


def windows_at(layer: keras.layers.Layer, x: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Returns the inputs of a convolution at positions of its output, float64 `[N, T, C]` for a kernel of T taps."""
    image, *positions = places
    offsets = np.meshgrid(*(np.arange(size) for size in layer.kernel_size), indexing="ij")
    index = [image[:, None]]
    inside = np.ones((len(image), offsets[0].size), bool)
    for axis, (position, offset) in enumerate(zip(positions, offsets, strict=True)):
        size, step, spread = x.shape[axis + 1], layer.strides[axis], layer.dilation_rate[axis]
        reach = offset.ravel() * spread
        if isinstance(layer, TRANSPOSED):
            along, remainder = np.divmod(position[:, None] + _padding_before(layer, axis, size * step) - reach, step)
            inside &= remainder == 0
        else:
            along = position[:, None] * step + reach - _padding_before(layer, axis, size)
        inside &= (along >= 0) & (along < size)
        index.append(np.clip(along, 0, size - 1))
    return x[tuple(index)].astype("float64") * inside[..., None]


def _padding_before(layer: keras.layers.Layer, axis: int, size: int) -> int:
    """Returns how many zeros a convolution puts before its input along a spatial axis of a size."""
    reach = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis]
    if layer.padding == "causal":
        return reach
    if layer.padding == "valid":
        return 0
    step = layer.strides[axis]
    return max(reach + 1 - (step if size % step == 0 else size % step), 0) // 2
