"""Latents whose uniform numbers are known."""

import math

import numpy as np

LOW, MIDDLE, HIGH = -9.0, 0.0, 9.0  # whose uniform numbers are 0, 0.5 and 1 to the last bit


def latents(shapes, count=1, **values):
    """Returns latents by name, `[count, *shape]`, that are MIDDLE unless a value, or an array, is given."""
    assert values.keys() <= shapes.keys()
    return {
        name: np.broadcast_to(np.float32(values.get(name, MIDDLE)), (count, *shape)).copy()
        for name, shape in shapes.items()
    }


def uniform(normal):
    """The normal distribution's cumulative function."""
    return np.vectorize(lambda value: 0.5 * (1.0 + math.erf(value / math.sqrt(2.0))))(normal)
