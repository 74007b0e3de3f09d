"""Image priors: terms on the images alone, that hold for natural images of any content."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.objectives.diversity import frobenius_norm
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term


@dataclasses.dataclass(frozen=True)
class TotalVariation(Term):
    """Neighboring pixels should be alike.

    R_tv = sum_d ||x - shift_d(x)||_F, at least 0, over the differences d between each pixel and its neighbor below, to
    the right, and on the two diagonals. Each norm runs over the whole batch of normalized images x, so that the term
    grows with the square root of the batch size.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020; the four
        differences follow the authors' code.

    Example:
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, normalized_images=images)
        >>> dk.objectives.TotalVariation()(batch)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"normalized_images"})

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        height, width, channels = batch.normalized_images.shape[1:]
        rows = ops.reshape(batch.normalized_images, (-1, height, width * channels))
        neighbors = (1, 0), (0, channels), (1, channels), (1, -channels)
        return sum(frobenius_norm(_differences(rows, *neighbor)) for neighbor in neighbors)


@dataclasses.dataclass(frozen=True)
class ImageNorm(Term):
    """Images should not be far from the mean image.

    R_l2 = ||x||_2, at least 0, over the whole batch of normalized images x, so that the term grows with the square
    root of the batch size.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020.

    Example:
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, normalized_images=images)
        >>> dk.objectives.ImageNorm()(batch)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"normalized_images"})

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        return frobenius_norm(batch.normalized_images)


def _differences(rows: Any, down: int, right: int) -> Any:
    """Returns rows `[B, H, N]` minus the values that lie so many places up and to the left of theirs."""
    shape = ops.shape(rows)[0], rows.shape[1] - abs(down), rows.shape[2] - abs(right)

    def part(down, right):  # `ops.slice`, because the gradient of indexing is slow on CPUs
        return ops.slice(rows, (0, max(down, 0), max(right, 0)), shape)

    return part(down, right) - part(-down, -right)
