"""Seeding of initial weights."""

import random

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
