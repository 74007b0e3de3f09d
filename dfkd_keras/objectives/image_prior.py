"""Terms on the images alone: what is true of natural images whatever they show."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.objectives.diversity import frobenius_norm
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term


@dataclasses.dataclass(frozen=True)
class TotalVariation(Term):
    """Neighboring pixels should be alike.

    R_tv = sum of the norms ||x_i - x_j||_F between each pixel and its neighbor below, to the right, and on the two
    diagonals, each over the whole batch. DeepInversion (Yin et al., CVPR 2020; the authors' code). A scalar of at least
    0 that grows with the square root of the batch size.
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        height, width, channels = batch.images.shape[1:]
        rows = ops.reshape(batch.images, (-1, height, width * channels))
        neighbors = (1, 0), (0, channels), (1, channels), (1, -channels)
        return sum(frobenius_norm(_differences(rows, *neighbor)) for neighbor in neighbors)


@dataclasses.dataclass(frozen=True)
class ImageNorm(Term):
    """Images should not be far from the mean image, R_l2 = ||x||_2 over the whole batch, in normalized space.

    DeepInversion (Yin et al., CVPR 2020). A scalar of at least 0 that grows with the square root of the batch size.
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        return frobenius_norm(batch.images)


def _differences(rows: Any, down: int, right: int) -> Any:
    """Subtracts from the values of all rows, `[B, H, N]`, those that lie so far up and to the left of them."""
    shape = ops.shape(rows)[0], rows.shape[1] - abs(down), rows.shape[2] - abs(right)

    def part(down, right):  # `ops.slice`, because the gradient of indexing is slow on CPUs
        return ops.slice(rows, (0, max(down, 0), max(right, 0)), shape)

    return part(down, right) - part(-down, -right)
