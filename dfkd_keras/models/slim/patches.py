"""The inputs that a dense or convolutional layer sees at single positions of its output, as rows."""

import keras
import numpy as np
from keras import ops


def kernel_rows(layer: keras.layers.Layer) -> np.ndarray:
    """Returns the kernel of a dense or convolutional layer as a matrix `[D, K]` from rows to outputs."""
    kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
    return kernel.reshape(-1, kernel.shape[-1])


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

    Args:
        layer: Dense layer or convolution.
        x: Array `[N, ..., C]`. The layer's inputs.
        places: List of integer arrays, as from `draw_places`.
    """
    if isinstance(layer, keras.layers.Dense):
        return x[tuple(places)].astype("float64")
    image, *positions = places
    offsets = np.meshgrid(*(np.arange(size) for size in layer.kernel_size), indexing="ij")
    index = [image[:, None]]
    inside = np.ones((len(image), offsets[0].size), bool)
    for axis, (position, offset) in enumerate(zip(positions, offsets, strict=True)):
        size, step, spread = x.shape[axis + 1], layer.strides[axis], layer.dilation_rate[axis]
        along = position[:, None] * step + offset.ravel() * spread - _padding_before(layer, axis, size)
        inside &= (along >= 0) & (along < size)
        index.append(np.clip(along, 0, size - 1))
    values = x[tuple(index)].astype("float64") * inside[..., None]
    return values.reshape(len(image), -1)


def _padding_before(layer: keras.layers.Layer, axis: int, size: int) -> int:
    """Returns how many zeros a convolution puts before its input along a spatial axis."""
    reach = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis]
    if layer.padding == "causal":
        return reach
    if layer.padding == "valid":
        return 0
    step = layer.strides[axis]
    return max(reach + 1 - (step if size % step == 0 else size % step), 0) // 2
