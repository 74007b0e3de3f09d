"""Dead leaves: shapes of all sizes over one another."""

import dataclasses
import math
from typing import Any

from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural import geometry
from dfkd_keras.synthesis.procedural.color import palette
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes
from dfkd_keras.utils.checks import check_counts

OUTLINES = (geometry.ellipse, geometry.rectangle, geometry.triangle)


@dataclasses.dataclass(frozen=True)
class DeadLeaves(ImageFamily):
    """Plain shapes of random size, aspect, angle, place and color, which cover one another like fallen leaves.

    The shapes are ellipses, rectangles and triangles in turn, from round or square to as thin as a line; a quarter of
    them are hollow, such as rings. How many there are, how large they become and how colorful they are differs from
    image to image. Edges and occlusions are what natural images have and textures lack.

    Args:
        max_leaves: Integer, at least 3. The most leaves of an image. Defaults to 24.

    Raises:
        InvalidInputError: If `max_leaves` is below 3, one for each kind of outline.

    Reference:
        Lee et al., "Occlusion Models for Natural Images: A Statistical Study of a Scale-Invariant Dead Leaves Model",
        IJCV 2001; Baradad et al., "Learning to See by Looking at Noise", NeurIPS 2021.
    """

    max_leaves: int = 24

    def __post_init__(self):
        check_counts("DeadLeaves", len(OUTLINES), max_leaves=self.max_leaves)

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the numbers of an image and of its leaves; see `ImageFamily`."""
        leaf = {name: (self.max_leaves,) for name in ("presence", "length", "aspect", "angle", "thickness", "hollow")}
        image = {name: (1,) for name in ("density", "scale", "saturation")}
        return image | leaf | {"center": (self.max_leaves, 2), "colors": (self.max_leaves + 1, image_shape[-1] + 1)}

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images `[B, H, W, C]`; see `ImageFamily.draw`."""
        size, uniform = image_shape[:2], {name: normal_to_uniform(latent) for name, latent in latents.items()}
        present = ops.cast(uniform["presence"] < 0.2 + uniform["density"], "float32")
        coverages = geometry.coverage(self._distances(uniform, size), size) * present[..., None]
        colors = palette(uniform["colors"], uniform["saturation"])  # the ground's first
        return geometry.fill(geometry.visible_parts(coverages), colors, size)

    def _distances(self, uniform: dict[str, Any], size: geometry.Size) -> Any:
        """Returns the distances `[B, N, H * W]` to the leaves, whose outlines take turns."""
        half_length = 0.03 + (0.25 + 0.4 * uniform["scale"]) * uniform["length"] ** 2
        half_width = half_length * ops.exp(-3.0 * uniform["aspect"] ** 2)
        thickness = ops.where(uniform["hollow"] < 0.25, half_width * (0.2 + 0.5 * uniform["thickness"]), 10.0)
        center, angle = (uniform["center"] - 0.5) * geometry.extent(size), 2.0 * math.pi * uniform["angle"]
        distances = [None] * self.max_leaves
        for turn, outline in enumerate(OUTLINES):
            leaves = slice(turn, None, len(OUTLINES))
            along, across = geometry.local_coordinates(center[:, leaves], angle[:, leaves], size)
            full = outline(along, across, half_length[:, leaves, None], half_width[:, leaves, None])
            distances[leaves] = ops.unstack(geometry.hollow(full, thickness[:, leaves, None]), axis=1)
        return ops.stack(distances, axis=1)
