"""Terms on the differences between the images of one batch."""

import dataclasses
import math
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term

NORM_EPSILON = 1e-12


def frobenius_norm(values: Any) -> Any:
    """Returns the norm over all elements; 1e-12 under the root keeps its gradient finite at 0."""
    return ops.sqrt(ops.sum(ops.square(values)) + NORM_EPSILON)


@dataclasses.dataclass(frozen=True)
class SoftmaxDistanceDiversity(Term):
    """Images should differ more than the teacher's predictions of them do.

    L_ds = 1 / r > 0 with r = ||x_2 - x_1||_F / ||p(x_2) - p(x_1)||_F, where x_1 and x_2 are the two halves of the batch
    of normalized images, p is the teacher's softmax, and both norms run over all elements of a half batch. Identical
    images give 1, where the official code has 0/0. For a segmenter the squared difference of predictions is averaged
    over the pixels, so that the term is as large as a classifier's; this is our extension.

    Reference:
        The inter-sample diversity term of Han et al., "Robustness and Diversity Seeking Data-Free Knowledge
        Distillation" (RDSKD), ICASSP 2021, with the norms and halves of the official code; a variant of MSGAN's
        mode-seeking term (`LatentModeSeeking`).

    Example:
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, normalized_images=images)
        >>> dk.objectives.SoftmaxDistanceDiversity()(batch)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"normalized_images"})
    compares_halves: ClassVar[bool] = True

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        first_images, second_images = ops.split(batch.normalized_images, 2, axis=0)
        first, second = ops.split(ops.softmax(batch.teacher_logits, axis=-1), 2, axis=0)
        pixels = math.prod(first.shape[1:-1])
        return frobenius_norm((second - first) / math.sqrt(pixels)) / frobenius_norm(second_images - first_images)


@dataclasses.dataclass(frozen=True)
class LatentModeSeeking(Term):
    """Images should differ when their latents do.

    L_ms = 1 / (mean |x_2 - x_1| / mean |z_2 - z_1| + 1e-5) in (0, 1e5], where x_1 and x_2 are the two halves of the
    batch of normalized images, and z_1 and z_2 those of their latents.

    Reference:
        Mao et al., "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis" (MSGAN), CVPR 2019.

    Example:
        >>> latents = np.random.normal(size=(4, 100)).astype("float32")
        >>> batch = dk.objectives.SyntheticBatch(images, latents, teacher_logits, normalized_images=images)
        >>> dk.objectives.LatentModeSeeking()(batch)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"latents", "normalized_images"})
    compares_halves: ClassVar[bool] = True

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        of_images, of_latents = (
            ops.mean(ops.abs(ops.subtract(*ops.split(values, 2, axis=0))))
            for values in (batch.normalized_images, batch.latents)
        )
        return 1.0 / (of_images / of_latents + 1e-5)
