"""Terms on the images alone: what is true of natural images whatever they show."""

import dataclasses
from typing import Any

from dfkd_keras.objectives.batch import SyntheticBatch
from dfkd_keras.objectives.diversity import frobenius_norm
from dfkd_keras.objectives.term import Term


@dataclasses.dataclass(frozen=True)
class TotalVariation(Term):
    """Neighbouring pixels should be alike.

    R_tv = sum of the norms ||x_i - x_j||_F between each pixel and its neighbour below, to the right, and on the two
    diagonals, each over the whole batch. DeepInversion (Yin et al., CVPR 2020; the authors' code). A scalar of at least
    0 that grows with the square root of the batch size.
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        x = batch.images
        differences = (
            x[:, 1:] - x[:, :-1],
            x[:, :, 1:] - x[:, :, :-1],
            x[:, 1:, 1:] - x[:, :-1, :-1],
            x[:, 1:, :-1] - x[:, :-1, 1:],
        )
        return sum(frobenius_norm(difference) for difference in differences)


@dataclasses.dataclass(frozen=True)
class ImageNorm(Term):
    """Images should not be far from the mean image, R_l2 = ||x||_2 over the whole batch, in normalised space.

    DeepInversion (Yin et al., CVPR 2020). A scalar of at least 0 that grows with the square root of the batch size.
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        return frobenius_norm(batch.images)
