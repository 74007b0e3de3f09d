"""Anti-aliased shapes by their signed distances, which are negative inside and in units of an image's shorter side."""

from typing import Any

import numpy as np
from keras import ops

Size = tuple[int, int]


def extent(size: Size) -> np.ndarray:
    """Returns width and height of an image of size (H, W) in units of the shorter side, float32 `[2]`."""
    height, width = size
    return np.float32([width, height]) / min(size)


def local_coordinates(center: Any, angle: Any, size: Size) -> tuple[Any, Any]:
    """Returns where the pixels are as seen from shapes.

    Args:
        center: Float tensor `[B, N, 2]`. Horizontal and vertical position, (0, 0) being the middle of the image.
        angle: Float tensor `[B, N]`. Rotation of the shapes in radians.
        size: Tuple of two integers. Height H and width W.

    Returns:
        Two tensors `[B, N, H * W]`: the position of each pixel along a shape's axis, and across it.
    """
    x, y = ((np.arange(side, dtype="float32") + 0.5 - side / 2) / min(size) for side in size[::-1])
    x, y = x - center[..., :1], y - center[..., 1:]
    cos, sin = ops.cos(angle)[..., None], ops.sin(angle)[..., None]
    return _outer_sum(sin * y, cos * x), _outer_sum(cos * y, -sin * x)


def _outer_sum(rows: Any, columns: Any) -> Any:
    """Returns the sum `[B, N, H * W]` of a value for each row `[B, N, H]` and one for each column `[B, N, W]`."""
    total = rows[..., :, None] + columns[..., None, :]
    return ops.reshape(total, (-1, rows.shape[1], rows.shape[2] * columns.shape[2]))


def ellipse(along: Any, across: Any, half_length: Any, half_width: Any) -> Any:
    """Returns distances to ellipses, exact for discs and near every edge.

    Args:
        along: Float tensor `[B, N, P]` of `local_coordinates`.
        across: Float tensor `[B, N, P]` of `local_coordinates`.
        half_length: Float tensor `[B, N, 1]`. Half of the shape's extent along its axis.
        half_width: Float tensor `[B, N, 1]`. Half of its extent across.

    Returns:
        Float tensor `[B, N, P]`.
    """
    u, v = along / half_length, across / half_width
    squared = u * u + v * v
    slope = ops.sqrt(ops.square(u / half_length) + ops.square(v / half_width))
    return (squared - ops.sqrt(squared)) / ops.maximum(slope, 1e-6)


def rectangle(along: Any, across: Any, half_length: Any, half_width: Any) -> Any:
    """Returns distances to rectangles; see `ellipse`."""
    return ops.maximum(ops.abs(along) - half_length, ops.abs(across) - half_width)


def triangle(along: Any, across: Any, half_length: Any, half_width: Any) -> Any:
    """Returns distances to isosceles triangles, whose base is across the axis; see `ellipse`."""
    norm = ops.sqrt(4.0 * half_length * half_length + half_width * half_width)
    sides = (ops.abs(across) * (2.0 * half_length) + (along - half_length) * half_width) / norm
    return ops.maximum(-along - half_length, sides)


def hollow(distance: Any, thickness: Any) -> Any:
    """Returns distances to what is left of shapes within `thickness` of their edge."""
    return ops.abs(distance + 0.5 * thickness) - 0.5 * thickness


def segment_squared(along: Any, across: Any, half_length: Any) -> Any:
    """Returns squared distances to line segments; see `ellipse`."""
    beyond = ops.maximum(ops.abs(along) - half_length, 0.0)
    return beyond * beyond + across * across


def coverage(distance: Any, size: Size) -> Any:
    """Returns which part of each pixel shapes cover, from 0 to 1, for distances in images of size (H, W)."""
    return ops.clip(0.5 - distance * min(size), 0.0, 1.0)


def visible_parts(coverages: Any) -> Any:
    """Returns which part of each pixel is seen of shapes over one another, and of the ground.

    Args:
        coverages: Float tensor `[B, N, P]`, the lowest shape first.

    Returns:
        Float tensor `[B, N + 1, P]`, the ground first. The parts of a pixel sum to 1.
    """
    uncovered, parts = ops.ones_like(coverages[:, 0]), []
    for shape in reversed(range(coverages.shape[1])):
        parts.append(coverages[:, shape] * uncovered)
        uncovered = uncovered - parts[-1]
    return ops.stack([uncovered, *reversed(parts)], axis=1)


def fill(parts: Any, colors: Any, size: Size) -> Any:
    """Returns images `[B, H, W, C]` for parts of pixels `[B, N, H * W]` and a color for each of them, `[B, N, C]`."""
    channels = ops.matmul(ops.swapaxes(colors, 1, 2), parts)
    return ops.reshape(ops.swapaxes(channels, 1, 2), (-1, *size, colors.shape[-1]))
