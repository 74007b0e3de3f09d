"""Noise pyramids: random grids of 1, 2, 4, ... cells over one another."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural.color import field_images, mix_channels, mixing_shapes
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes
from dfkd_keras.utils.checks import check_counts


@dataclasses.dataclass(frozen=True)
class NoisePyramids(ImageFamily):
    """Sums of random grids of 1, 2, 4, ... cells a side, each enlarged to the whole image.

    Every level of an image has a random weight, a random shift, and cells that are anything from sharp, as in nearest
    neighbor interpolation, to smooth. The weights are cubed, so that often one level dominates.

    Args:
        max_cells: Integer. The most cells a side, which bounds how many random numbers an image takes: about
            4/3 of its square, times the channels. Defaults to 32.

    Raises:
        InvalidInputError: If `max_cells` is below 1.
    """

    max_cells: int = 32

    def __post_init__(self):
        check_counts("NoisePyramids", max_cells=self.max_cells)

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the weights, shifts, smoothnesses, mixing and grids; see `ImageFamily`."""
        levels, channels = self._levels(image_shape), image_shape[-1]
        grids = {f"grid_{cells}": (channels, cells, cells) for cells in levels}
        count = len(levels)
        return {"weights": (count,), "shifts": (count, 2), "smoothness": (count,)} | mixing_shapes(channels) | grids

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images `[B, H, W, C]`; see `ImageFamily.draw`."""
        height, width, channels = image_shape
        weights, shifts, smoothness = (normal_to_uniform(latents[name]) for name in ("weights", "shifts", "smoothness"))
        weights = (weights + 1e-3) ** 3
        weights = weights / ops.norm(weights, axis=-1, keepdims=True)
        mixing, field = {name: latents[name] for name in mixing_shapes(channels)}, 0.0
        for level, cells in enumerate(self._levels(image_shape)):
            rows = enlargement(height, cells, shifts[:, level, 0], smoothness[:, level])
            columns = enlargement(width, cells, shifts[:, level, 1], smoothness[:, level])
            grid = weights[:, level, None, None, None] * mix_channels(latents[f"grid_{cells}"], **mixing)
            field = field + separable(rows[:, None], grid, columns[:, None])
        return field_images(field)

    def _levels(self, image_shape: tuple[int, int, int]) -> list[int]:
        finest = min(self.max_cells, max(image_shape[:2]))
        return [2**level for level in range(finest.bit_length())]


def enlargement(size: int, cells: int, shift: Any, smoothness: Any) -> Any:
    """Returns the matrices that enlarge periodic rows of cells.

    Args:
        size: Integer. Pixels of an enlarged row.
        cells: Integer. Cells of a row.
        shift: Float tensor `[B]`. Where the row begins, from 0 to 1.
        smoothness: Float tensor `[B]`. From 0, where a pixel takes the value of its cell, to 1, where it is between
            those of two cells everywhere.

    Returns:
        Float tensor `[B, size, cells]`, whose rows sum to 1.
    """
    if cells == 1:
        return ops.ones_like(shift)[:, None, None] * np.ones((1, size, 1), "float32")
    offsets = (np.arange(size)[:, None] + 0.5) * cells / size - (np.arange(cells) + 0.5)
    offsets = np.float32(offsets) + cells * shift[:, None, None]
    distances = ops.abs(ops.mod(offsets + 0.5 * cells, cells) - 0.5 * cells)
    blur = ops.clip(2.0 * smoothness - 0.5, 0.01, 1.0)[:, None, None]
    ramp = ops.clip((0.5 + 0.5 * blur - distances) / blur, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)


def separable(rows: Any, grids: Any, columns: Any) -> Any:
    """Returns `rows grids columns^T`: grids `[B, C, N, M]`, enlarged along both axes to `[B, C, H, W]`."""
    return ops.matmul(ops.matmul(rows, grids), ops.swapaxes(columns, -1, -2))
