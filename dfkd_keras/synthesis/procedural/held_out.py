"""Images that no training uses, on which the agreement of student and teacher is estimated where there are no data."""

import keras
import numpy as np

from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.synthesis.procedural.textured_objects import TexturedObjects
from dfkd_keras.utils.checks import check_counts, check_seed, check_shape


def held_out_images(image_shape: tuple[int, int, int], count: int, seed: int = 0) -> np.ndarray:
    """Draws images that `ProceduralImages` never draws, for estimating how far a student agrees with its teacher.

    They show rounded objects with textures, shading or only an outline, on plain, shaded or textured grounds, and so
    are of other shapes and textures than those of training. Their random numbers have a key of their own, too: training
    takes (seed, step), and these the last key of the seed. The first images do not depend on `count`.

    Args:
        image_shape: Tuple of three integers. Height H, width W and channels C.
        count: Integer. The number of images, N.
        seed: Integer, at least 0. Seed of the random numbers. Defaults to 0.

    Returns:
        Uint8 array `[N, H, W, C]`.

    Raises:
        InvalidInputError: If a size, the count or the seed is not a whole number in range.

    Example:
        >>> images = held_out_images((32, 32, 3), count=2000)
    """
    check_shape("held_out_images", 3, image_shape=image_shape)
    check_counts("held_out_images", count=count)
    check_seed("held_out_images", seed)
    family, batch_size = TexturedObjects(), evaluation_batch_size(image_shape)
    noise = np.random.Generator(np.random.Philox(key=np.array([seed, 2**64 - 1], dtype=np.uint64)))
    latents = noise.standard_normal((count, family.latent_dim(image_shape)), dtype=np.float32)
    drawing = keras.layers.Lambda(lambda latents: family(latents, image_shape), dtype="float32")
    compiled = keras.Sequential([keras.layers.Input(latents.shape[1:]), drawing])
    images = np.empty((count, *image_shape), np.uint8)
    for start in range(0, count, batch_size):
        drawn = compiled.predict_on_batch(latents[start : start + batch_size])
        images[start : start + batch_size] = np.round(255.0 * np.clip(drawn, 0.0, 1.0))
    return images
