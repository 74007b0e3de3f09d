"""Terms on the differences between the images of one batch."""

import dataclasses
import math
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term

NORM_EPSILON = 1e-12


def frobenius_norm(values: Any) -> Any:
    """Returns the norm over all elements; the 1e-12 under the root keeps its gradient finite at 0."""
    return ops.sqrt(ops.sum(ops.square(values)) + NORM_EPSILON)


@dataclasses.dataclass(frozen=True)
class SoftmaxDistanceDiversity(Term):
    """Inter-sample diversity: images should differ more than the teacher's predictions of them do.

    L_ds = 1 / r with r = ||x_2 - x_1||_F / ||p(x_2) - p(x_1)||_F, where x_1 and x_2 are the two halves of the batch in
    normalized space, p the teacher's softmax, and both norms run over all elements of a half batch. RDSKD (Han et
    al., ICASSP 2021; the official code's norms and halves), a variant of the mode-seeking term of MSGAN (Mao et al.,
    CVPR 2019). Positive; identical images give 1 here, 0/0 in the official code. Of a segmenter's predictions the
    square is averaged over the pixels (reconstructed), so that the term is as large as a classifier's.
    """

    compares_halves: ClassVar[bool] = True

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        first_images, second_images = ops.split(batch.images, 2, axis=0)
        first, second = ops.split(ops.softmax(batch.teacher_logits, axis=-1), 2, axis=0)
        pixels = math.prod(first.shape[1:-1])
        return frobenius_norm((second - first) / math.sqrt(pixels)) / frobenius_norm(second_images - first_images)


@dataclasses.dataclass(frozen=True)
class LatentModeSeeking(Term):
    """Inter-sample diversity: images should differ when their latents do.

    L_ms = 1 / (mean |x_2 - x_1| / mean |z_2 - z_1| + 1e-5) with the two halves of the batch of images x, in normalized
    space, and of latents z. MSGAN (Mao et al., CVPR 2019). Positive.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"latents"})
    compares_halves: ClassVar[bool] = True

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        distances = [
            ops.mean(ops.abs(ops.subtract(*ops.split(values, 2, axis=0)))) for values in (batch.images, batch.latents)
        ]
        return 1.0 / (distances[0] / distances[1] + 1e-5)
