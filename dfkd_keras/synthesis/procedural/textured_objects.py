"""Rounded objects with textures and outlines: the family of the held-out images."""

import dataclasses
import math
from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.procedural import geometry
from dfkd_keras.synthesis.procedural.color import palette
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes

OBJECTS = 4  # of an image, at most
WAVES = 3  # that are summed to a texture
LOBES = np.arange(2, 6, dtype="float32")  # periods of an outline around the middle of its object


@dataclasses.dataclass(frozen=True)
class TexturedObjects(ImageFamily):
    """Rounded objects, full or hollow, on a ground; each of them plain, shaded, or textured by a few waves."""

    def latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the numbers of the objects and of their and the ground's fillings."""
        scalars = {name: (OBJECTS,) for name in ("presence", "radii", "thicknesses", "hollowness", "angles")}
        outline = {"centers": (OBJECTS, 2), "lobes": (OBJECTS, len(LOBES)), "phases": (OBJECTS, len(LOBES))}
        fillings, channels = OBJECTS + 1, image_shape[-1]
        waves = {"frequencies": (fillings, WAVES, 2), "pitches": (fillings, 1, 1), "offsets": (fillings, WAVES)}
        shades = {"contrasts": (fillings, 1), "slopes": (fillings, 2)} | {"saturation": (1,), "stretch": (1, 1, 1)}
        return scalars | outline | waves | shades | {"colors": (2, fillings, channels + 1)}

    def draw(self, image_shape: tuple[int, int, int], **latents: Any) -> Any:
        """Draws images `[B, H, W, C]`; see `ImageFamily.draw`."""
        size, uniform = image_shape[:2], {name: normal_to_uniform(latent) for name, latent in latents.items()}
        present = ops.cast(uniform["presence"] < np.float32([1.0, 0.7, 0.5, 0.3]), "float32")
        coverages = geometry.coverage(_outlines(latents, uniform, size), size) * present[..., None]
        parts, texture = geometry.visible_parts(coverages), _textures(latents, uniform, size)
        colors = uniform["colors"]
        dark, light = (palette(colors[:, each], uniform["saturation"]) for each in range(2))
        images = geometry.fill(parts, dark, size) + geometry.fill(parts * texture, light - dark, size)
        return images + 2.0 * uniform["stretch"] * (images - ops.mean(images, axis=(1, 2), keepdims=True))


def _outlines(latents: dict[str, Any], uniform: dict[str, Any], size: geometry.Size) -> Any:
    """Returns distances `[B, OBJECTS, P]` to objects whose radius is a sum of a few waves around their middle."""
    centers = 0.8 * (uniform["centers"] - 0.5) * geometry.extent(size)
    along, across = geometry.local_coordinates(centers, latents["angles"], size)
    angles, radii = ops.arctan2(across, along), 0.12 + 0.28 * uniform["radii"][..., None]
    outline = 1.0
    for lobe, period in enumerate(LOBES):
        amplitude, phase = 0.4 / period * latents["lobes"][..., lobe], 2 * math.pi * uniform["phases"][..., lobe]
        outline = outline + amplitude[..., None] * ops.cos(period * angles + phase[..., None])
    distances = ops.sqrt(along * along + across * across) - radii * ops.clip(outline, 0.3, 1.8)
    hollow = geometry.hollow(distances, radii * (0.2 + 0.4 * uniform["thicknesses"][..., None]))
    return ops.where(uniform["hollowness"][..., None] < 0.4, hollow, distances)


def _textures(latents: dict[str, Any], uniform: dict[str, Any], size: geometry.Size) -> Any:
    """Returns where between its two colors each filling is, `[B, OBJECTS + 1, P]` in [0, 1]."""
    center, angle = ops.zeros_like(latents["slopes"][:, :1]), ops.zeros_like(latents["slopes"][:, :1, 0])
    x, y = geometry.local_coordinates(center, angle, size)
    frequencies = latents["frequencies"] * 3.0 * ops.exp(2.0 * uniform["pitches"])
    waves = 0.0
    for wave in range(WAVES):
        horizontal, vertical = frequencies[:, :, wave, :1], frequencies[:, :, wave, 1:]
        phase = 2 * math.pi * uniform["offsets"][:, :, wave, None]
        waves = waves + ops.sin(horizontal * x + vertical * y + phase)
    contrasts = ops.maximum(2.0 * uniform["contrasts"] - 0.8, 0.0)  # none for 40 %
    shading = latents["slopes"][..., :1] * x + latents["slopes"][..., 1:] * y
    return ops.sigmoid(2.0 * contrasts * waves + 1.5 * shading)
