"""Terms on the teacher's predictions: each image of one class with certainty, all classes equally often."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.utils.checks import check_positive

LOG_EPSILON = 1e-12


@dataclasses.dataclass(frozen=True)
class OneHotCrossEntropy(Term):
    """The teacher should be as certain of a synthetic image as of a real one.

    L_oh(x) = -ln p_c(x) in [0, ln K], where c = argmax_k p_k(x) is held constant and p is the teacher's softmax. For a
    segmenter, it is the mean over the pixels.

    Reference:
        The authenticity term of Han et al., "Robustness and Diversity Seeking Data-Free Knowledge Distillation"
        (RDSKD), ICASSP 2021, after the one-hot loss of Chen et al., "Data-Free Learning of Student Networks" (DAFL),
        ICCV 2019.

    Example:
        >>> batch = dk.objectives.SyntheticBatch(images, latents=None, teacher_logits=teacher_logits)
        >>> tuple(dk.objectives.OneHotCrossEntropy()(batch).shape)
        (4,)
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits, axis=-1)
        classes = batch.teacher_logits.shape[-1]
        predicted = ops.one_hot(ops.argmax(batch.teacher_logits, axis=-1), classes, dtype=log_probabilities.dtype)
        return per_sample(-ops.sum(predicted * log_probabilities, axis=-1))


@dataclasses.dataclass(frozen=True)
class TargetCrossEntropy(Term):
    """The teacher should predict the class that the image is made for.

    L_oh(x, y) = -ln p_y(x), at least 0, where y is the target class and p the teacher's softmax. For a segmenter, whose
    images have no single class, use `OneHotCrossEntropy`.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020; also the class
        prior of CMI, Fast and SSD-KD.

    Example:
        >>> labels = np.array([3, 1, 4, 1])
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, labels=labels)
        >>> tuple(dk.objectives.TargetCrossEntropy()(batch).shape)
        (4,)
    """

    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits, axis=-1)
        targets = ops.one_hot(batch.labels, batch.teacher_logits.shape[-1], dtype=log_probabilities.dtype)
        return per_sample(-ops.sum(targets * log_probabilities, axis=-1))


@dataclasses.dataclass(frozen=True)
class SoftTargetCrossEntropy(Term):
    """The teacher's softened prediction should be the soft label that was drawn for the image.

    L(x, y) = -sum_k y_k ln p_k(x) with p = softmax(t(x) / T), at least the entropy of y. As in the authors' code, there
    is no factor T^2.

    Args:
        temperature: Positive float. Temperature T of the teacher's softmax. Defaults to 20.0, as in ZSKD.

    Raises:
        InvalidInputError: If `temperature` is not positive and finite.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks" (ZSKD), ICML 2019.

    Example:
        >>> soft_labels = np.full((4, 10), 0.1, "float32")
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, soft_labels=soft_labels)
        >>> tuple(dk.objectives.SoftTargetCrossEntropy(temperature=20.0)(batch).shape)
        (4,)
    """

    temperature: float = 20.0

    needs: ClassVar[frozenset[str]] = frozenset({"soft_labels"})

    def __post_init__(self):
        check_positive("SoftTargetCrossEntropy", temperature=self.temperature)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`."""
        log_probabilities = ops.log_softmax(batch.teacher_logits / self.temperature, axis=-1)
        return -ops.sum(batch.soft_labels * log_probabilities, axis=-1)


@dataclasses.dataclass(frozen=True)
class ClassEntropy(Term):
    """The classes should be equally frequent: the negative entropy of the mean prediction.

    L_ie = sum_k q_k ln q_k in [-ln K, 0], where q is the mean of the teacher's softmax over the batch (and the pixels).
    The logarithm's argument is shifted by 1e-12, where the official code yields NaN for a class of probability 0.

    Reference:
        The class diversity term of Han et al., "Robustness and Diversity Seeking Data-Free Knowledge Distillation"
        (RDSKD), ICASSP 2021, after the information entropy loss of Chen et al., "Data-Free Learning of Student
        Networks" (DAFL), ICCV 2019, which uses log10.

    Example:
        >>> logits = 100.0 * np.eye(10, dtype="float32")  # an image of each class
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits=logits)
        >>> round(float(dk.objectives.ClassEntropy()(batch)), 3)  # -ln 10, the lowest value
        -2.303
    """

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a scalar."""
        probabilities = ops.softmax(batch.teacher_logits, axis=-1)
        mean = ops.mean(probabilities, axis=tuple(range(len(probabilities.shape) - 1)))
        return ops.sum(mean * ops.log(mean + LOG_EPSILON))
