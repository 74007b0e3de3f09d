"""Draws procedural.png beside this file: `python docs/images/procedural.py`, which needs Pillow.

A row for each family of procedural images, in the order of the mixture; then the mixture itself, on which the student
is trained; and the held-out images on which agreement is estimated. The first twelve of a row have three channels, the
others one.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

import dfkd_keras as dk
from dfkd_keras.synthesis.procedural import ProceduralImages, held_out_images

SIZE, COLUMNS, GAP, ENLARGEMENT = 32, {3: 12, 1: 6}, 2, 2


def latents(count, latent_dim):
    """Returns standard normal numbers, always the same."""
    return ops.convert_to_tensor(np.random.default_rng(1).standard_normal((count, latent_dim), np.float32))


def rows(shape, count):
    """Returns the images of all rows, `[rows, count, H, W, C]`."""
    teacher, mixture = keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(2)]), ProceduralImages()
    mixture.prepare(dk.Teacher(teacher), batch_size=count)
    drawn = [family(latents(count, family.latent_dim(shape)), shape) for family in mixture.families]
    drawn.append(mixture.sample(latents(count, mixture.latent_dim), dk.Teacher(teacher)))
    return np.stack([*map(ops.convert_to_numpy, drawn), held_out_images(shape, count) / 255.0])


def main():
    """Writes the picture."""
    parts = [rows((SIZE, SIZE, channels), count) for channels, count in COLUMNS.items()]
    images = np.concatenate([np.broadcast_to(part, (*part.shape[:-1], 3)) for part in parts], axis=1)
    framed = np.pad(images, ((0, 0), (0, 0), (GAP, 0), (GAP, 0), (0, 0)), constant_values=1.0)
    grid = framed.transpose(0, 2, 1, 3, 4).reshape(len(images) * (SIZE + GAP), -1, 3)
    pixels = np.uint8(np.round(255.0 * np.clip(grid, 0.0, 1.0)))
    picture = Image.fromarray(pixels.repeat(ENLARGEMENT, axis=0).repeat(ENLARGEMENT, axis=1)).quantize(256)
    picture.save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
