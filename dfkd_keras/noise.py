"""The random draws of training as a function of (seed, step): what `fit()` is fed with."""

import random
from collections.abc import Callable

import keras
import numpy as np


def seed_initial_weights(seed: int) -> None:
    """Seeds what Keras draws initial weights and orders of images from.

    `keras.utils.set_random_seed` would do, but imports TensorFlow on every backend.
    """
    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
    else:
        random.seed(seed)
        np.random.seed(seed)


class NoiseStream(keras.utils.PyDataset):
    """An endless data set of standard normal latents, each step's drawn from `(seed, step)` alone.

    A resumed run therefore sees exactly the noise of an uninterrupted one, both backends see the same, and
    `tf.distribute` gives every replica its own share.

    Args:
        batch_size: images per update.
        draws: independent draws a step, one per update.
        latent_dim: the length Z of a latent.
        steps_per_epoch: steps after which the count within the epoch starts again.
        seed: non-negative integer.
        first_step: tells, when the first element is drawn, which step of the whole training comes first.
    """

    def __init__(
        self,
        batch_size: int,
        draws: int,
        latent_dim: int,
        steps_per_epoch: int,
        seed: int = 0,
        first_step: Callable[[], int] = lambda: 0,
    ):
        super().__init__()
        self.shape = (batch_size, draws, latent_dim)
        self.steps_per_epoch, self.seed, self.first_step = steps_per_epoch, seed, first_step

    @property
    def num_batches(self) -> None:
        """Endless."""
        return None

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        step = self.first_step() + index
        generator = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], dtype=np.uint64)))
        return {
            "latents": generator.standard_normal(self.shape, dtype=np.float32),
            # One copy per sample, because a strategy shards the first axis of everything.
            "step_in_epoch": np.full(self.shape[:1], step % self.steps_per_epoch, dtype=np.int32),
        }
