"""Seeding of initial weights."""

import random

import keras
import numpy as np


def seed_initial_weights(seed: int) -> None:
    """Seeds the generators that Keras draws initial weights from, and Python's and NumPy's.

    Does what `keras.utils.set_random_seed` does, which imports TensorFlow on every backend.

    Args:
        seed: Integer, at least 0.
    """
    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(int(seed))  # which takes none of NumPy's integers
    else:
        random.seed(seed)
        np.random.seed(seed)
