"""Strokes: curves like those of written characters and signs on a plain ground."""

import dataclasses
import math
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural import geometry
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes
from dfkd_keras.utils.checks import check_counts

SEGMENTS = 5  # straight pieces of a stroke


@dataclasses.dataclass(frozen=True)
class Strokes(ImageFamily):
    """A glyph of a few curved strokes, drawn by a pen that turns, stops and is lifted at random.

    Each stroke goes on where the last one ended, in a new direction, with a length and a curvature of its own; where
    the pen is lifted, it is invisible. The glyph gets a random size, place and thickness, and is lighter than its plain
    ground. They are meant for teachers of characters and signs.

    Args:
        max_strokes: Integer. The most strokes of a glyph. Defaults to 4.

    Raises:
        InvalidInputError: If `max_strokes` is below 1.
    """

    max_strokes: int = 4

    def __post_init__(self):
        check_counts("Strokes", max_strokes=self.max_strokes)

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the numbers of a glyph, its strokes and its colors; see `ImageFamily`."""
        pen = {name: (self.max_strokes,) for name in ("lifts", "corners", "curvatures", "lengths")}
        glyph = {"scale": (1,), "place": (1, 2), "thickness": (1,)}
        return pen | glyph | {"contrast": (1,), "ground": (1,), "saturation": (1,), "tints": (2, image_shape[-1])}

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images `[B, H, W, C]`; see `ImageFamily.draw`."""
        size = image_shape[:2]
        uniform = {name: normal_to_uniform(latents[name]) for name in latents}
        headings, moves = pen_moves(latents["corners"], latents["curvatures"], latents["lengths"])
        hidden = np.arange(self.max_strokes) * ops.cast(uniform["lifts"] < 0.35, "float32")  # never the first stroke
        hidden = ops.repeat(ops.cast(hidden > 0, "float32"), SEGMENTS, axis=1)
        glyph_size = 0.35 + 0.55 * uniform["scale"]
        half_thickness = glyph_size * (0.03 + 0.07 * uniform["thickness"])
        centers, half_lengths = _fit(moves, hidden, glyph_size - 2.0 * half_thickness)
        slack = geometry.extent(size) - glyph_size[..., None]
        along, across = geometry.local_coordinates(centers + (uniform["place"] - 0.5) * slack, headings, size)
        squared = geometry.segment_squared(along, across, half_lengths[..., None]) + 100.0 * hidden[..., None]
        distance = ops.sqrt(ops.min(squared, axis=1, keepdims=True)) - half_thickness[..., None]
        parts = geometry.visible_parts(geometry.coverage(distance, size))
        return geometry.fill(parts, self._colors(uniform), size)

    def _colors(self, uniform: dict[str, Any]) -> Any:
        """Returns a color of the ground, half of the time black but for its tint, and a lighter one: `[B, 2, C]`."""
        contrast = 0.4 + 0.6 * uniform["contrast"]
        ground = (1.0 - contrast) * ops.maximum(2.0 * uniform["ground"] - 1.0, 0.0)
        tints = uniform["saturation"][..., None] ** 2 * (uniform["tints"] - 0.5)
        return ops.stack([ground, ground + contrast], axis=1) + tints


def pen_moves(corners: Any, curvatures: Any, lengths: Any) -> tuple[Any, Any]:
    """Returns how a pen moves along strokes, each of which begins where the last one ended.

    Args:
        corners: Float tensor `[B, S]`, standard normal. How far the pen turns before each stroke.
        curvatures: Float tensor `[B, S]`, standard normal. How far it turns along each stroke.
        lengths: Float tensor `[B, S]`, standard normal. Logarithms of the lengths.

    Returns:
        The direction of each piece of the strokes in radians, `[B, N]`, and its horizontal and vertical extent,
        `[B, N, 2]`, in an arbitrary unit.
    """
    first = np.float32(np.arange(SEGMENTS) == 0)
    turns = 1.5 * corners[..., None] * first + 0.4 * curvatures[..., None] * (1.0 - first)
    headings = ops.cumsum(ops.reshape(turns, (-1, turns.shape[1] * SEGMENTS)), axis=1)
    headings = headings + 2.0 * math.pi * normal_to_uniform(corners[:, :1])
    steps = ops.repeat(ops.exp(0.5 * lengths), SEGMENTS, axis=1)[..., None]
    return headings, steps * ops.stack([ops.cos(headings), ops.sin(headings)], axis=-1)


def _fit(moves: Any, hidden: Any, path_size: Any) -> tuple[Any, Any]:
    """Returns the middles `[B, N, 2]` and half lengths `[B, N]` of pieces, scaled so that those seen fit the size."""
    ends = ops.cumsum(moves, axis=1)
    corners = ops.concatenate([ends - moves, ends], axis=1)
    far = 1e3 * ops.concatenate([hidden, hidden], axis=1)[..., None]
    lowest, highest = ops.min(corners + far, axis=1, keepdims=True), ops.max(corners - far, axis=1, keepdims=True)
    factor = path_size[..., None] / ops.max(highest - lowest, axis=-1, keepdims=True)
    centers = (ends - 0.5 * moves - 0.5 * (lowest + highest)) * factor
    return centers, 0.5 * ops.norm(moves, axis=-1) * factor[..., 0]
