"""Terms on the teacher's predictions: each image one class with certainty, all classes equally often."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.student_loss import check_temperature, per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term

LOG_EPSILON = 1e-12


@dataclasses.dataclass(frozen=True)
class OneHotCrossEntropy(Term):
    """Authenticity: the teacher should be as certain of a synthetic image as of a real one.

    L_oh(x) = -ln p_c(x) with c = argmax_k p_k(x) held constant and p the teacher's softmax. RDSKD (Han et al.,
    ICASSP 2021), after the one-hot loss of DAFL (Chen et al., ICCV 2019). For a segmenter, the mean over the pixels. In
    [0, ln K].
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits, axis=-1)
        classes = batch.teacher_logits.shape[-1]
        predicted = ops.one_hot(ops.argmax(batch.teacher_logits, axis=-1), classes, dtype=log_probabilities.dtype)
        return per_sample(-ops.sum(predicted * log_probabilities, axis=-1))


@dataclasses.dataclass(frozen=True)
class TargetCrossEntropy(Term):
    """The teacher should see the class that the image is meant to be of.

    L_oh(x, y) = -ln p_y(x) with y drawn uniformly and p the teacher's softmax. The class prior of DeepInversion (Yin et
    al., CVPR 2020), CMI, Fast and SSD-KD. At least 0. For teachers of one class per image; a segmenter has
    `OneHotCrossEntropy` in its place.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits, axis=-1)
        targets = ops.one_hot(batch.labels, batch.teacher_logits.shape[-1], dtype=log_probabilities.dtype)
        return per_sample(-ops.sum(targets * log_probabilities, axis=-1))


@dataclasses.dataclass(frozen=True)
class SoftTargetCrossEntropy(Term):
    """The teacher's softened prediction should be the soft label that was drawn for the image.

    L(x, y) = -sum_k y_k ln p_k(x) with p = softmax(t(x) / T). ZSKD (Nayak et al., ICML 2019), without the factor T^2.
    At least the entropy of y.

    Args:
        temperature: T; 20 in ZSKD.
    """

    temperature: float = 20.0

    needs: ClassVar[frozenset[str]] = frozenset({"soft_labels"})

    def __post_init__(self):
        check_temperature("SoftTargetCrossEntropy", self.temperature)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits / self.temperature, axis=-1)
        return -ops.sum(batch.soft_labels * log_probabilities, axis=-1)


@dataclasses.dataclass(frozen=True)
class ClassEntropy(Term):
    """Class diversity: the negative entropy of the mean prediction.

    L_ie = sum_k q_k ln q_k with q the mean of the teacher's softmax over the batch. RDSKD (Han et al., ICASSP 2021),
    after the information entropy loss of DAFL (Chen et al., ICCV 2019; there with log10). In [-ln K, 0]. The
    logarithm's argument is shifted by 1e-12, where the official code yields NaN for a class of probability 0.
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        probabilities = ops.softmax(batch.teacher_logits, axis=-1)
        mean = ops.mean(probabilities, axis=tuple(range(len(probabilities.shape) - 1)))
        return ops.sum(mean * ops.log(mean + LOG_EPSILON))
