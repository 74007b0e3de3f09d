"""Losses on the logits, per sample; synthesis uses the same measures of how far student and teacher are apart."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.losses.student_loss import StudentLoss, as_float32, per_sample
from dfkd_keras.utils.checks import check_positive


@dataclasses.dataclass(frozen=True)
class SoftTargets(StudentLoss):
    """Kullback-Leibler divergence of the softened predictions, T^2 KL(p_T || p_S).

    The factor T^2 keeps the gradient's size independent of the temperature.

    Args:
        temperature: Float. T > 0, by which both logits are divided; RDSKD uses 10, the Fast family 20. Defaults to 1.

    Raises:
        InvalidInputError: If the temperature is not positive and finite.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.

    Example:
        >>> teacher_logits, student_logits = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
        >>> tuple(dk.losses.SoftTargets(temperature=4.0)(teacher_logits, student_logits).shape)
        (2,)
    """

    temperature: float = 1.0

    def __post_init__(self):
        check_positive("SoftTargets", temperature=self.temperature)

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        teacher, student = (
            ops.log_softmax(logits / self.temperature, axis=-1) for logits in as_float32(teacher_logits, student_logits)
        )
        # q - p sums to 0; adding it cancels the rounding of the logarithms, which T^2 would magnify.
        p, q = ops.exp(teacher), ops.exp(student)
        return _softened(ops.sum(p * (teacher - student) + (q - p), axis=-1), self.temperature)


@dataclasses.dataclass(frozen=True)
class SigmoidTargets(StudentLoss):
    """Kullback-Leibler divergence of the softened answers for each class by itself, T^2 sum_k KL(p_k || q_k).

    For teachers that end in a sigmoid for each class, where p_k = sigmoid(t_k / T) and q_k = sigmoid(s_k / T) are the
    probabilities of two outcomes. `SoftTargets` would not see a shift that all classes share.

    Args:
        temperature: Float. T > 0, by which both logits are divided. Defaults to 1.

    Raises:
        InvalidInputError: If the temperature is not positive and finite.

    Example:
        >>> teacher_logits, student_logits = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
        >>> tuple(dk.losses.SigmoidTargets(temperature=4.0)(teacher_logits, student_logits).shape)
        (2,)
    """

    temperature: float = 1.0

    def __post_init__(self):
        check_positive("SigmoidTargets", temperature=self.temperature)

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        teacher, student = (logits / self.temperature for logits in as_float32(teacher_logits, student_logits))
        p = ops.sigmoid(teacher)
        cross_entropy, entropy = (ops.softplus(logits) - p * logits for logits in (student, teacher))
        return _softened(ops.sum(cross_entropy - entropy, axis=-1), self.temperature)


@dataclasses.dataclass(frozen=True)
class LogitsDistance(StudentLoss):
    """Mean absolute difference of the raw logits, (1 / K) sum_k |t_k - s_k|.

    Reference:
        Fang et al., "Data-Free Adversarial Distillation", 2019.

    Example:
        >>> teacher_logits, student_logits = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
        >>> tuple(dk.losses.LogitsDistance()(teacher_logits, student_logits).shape)
        (2,)
    """

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        return per_sample(ops.mean(ops.abs(ops.subtract(*as_float32(teacher_logits, student_logits))), axis=-1))


@dataclasses.dataclass(frozen=True)
class JensenShannon(StudentLoss):
    """DeepInversion's measure of how much student and teacher disagree, for its competition term.

    J = (KL(M || P) + KL(M || Q)) / 2, where P and Q are the softened predictions of student and teacher and
    M = (P + Q) / 2, all clipped to [0.01, 0.99]. As in the authors' code, the mixture comes first, where the textbook
    has it second. They also clip the mean of J over the batch to 1, which opposite confident predictions exceed.

    Args:
        temperature: Float. T > 0, by which both logits are divided. Defaults to 3, as in the authors' code.

    Raises:
        InvalidInputError: If the temperature is not positive and finite.

    Reference:
        Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020.

    Example:
        >>> teacher_logits, student_logits = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2))
        >>> tuple(dk.losses.JensenShannon(temperature=3.0)(teacher_logits, student_logits).shape)
        (2,)
    """

    temperature: float = 3.0

    def __post_init__(self):
        check_positive("JensenShannon", temperature=self.temperature)

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the divergence per sample `[B]` for logits `[B, ..., K]`."""
        logits = as_float32(student_logits, teacher_logits)
        predictions = [ops.softmax(each / self.temperature, axis=-1) for each in logits]
        mixture = ops.clip(0.5 * (predictions[0] + predictions[1]), 0.01, 0.99)
        clipped = [ops.clip(prediction, 0.01, 0.99) for prediction in predictions]
        divergences = [ops.sum(mixture * (ops.log(mixture) - ops.log(each)), axis=-1) for each in clipped]
        return per_sample(0.5 * (divergences[0] + divergences[1]))


def _softened(divergence: Any, temperature: float) -> Any:
    """Returns T^2 times a divergence of predictions softened by T, per sample.

    Rounding may have left a negative value, which no priority may be; the gradient does not depend on it.
    """
    divergence = divergence + ops.stop_gradient(ops.maximum(-divergence, 0.0))
    return temperature**2 * per_sample(divergence)
