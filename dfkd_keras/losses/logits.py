"""What the student matches, per sample; the same measures tell a synthesizer how far student and teacher are apart."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.losses.student_loss import check_temperature, per_sample
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class SoftTargets(Configured):
    """Kullback-Leibler divergence between softened predictions, T^2 KL(p_T || p_S) (Hinton et al. 2015).

    The factor T^2 keeps the gradient's size independent of the temperature.

    Args:
        temperature: T > 0, by which both logits are divided; 1 by default, RDSKD uses 10, the Fast family 20.

    Raises:
        ValueError: for another temperature.

    Example:
        >>> SoftTargets(temperature=4.0)(teacher_logits, student_logits)  # [B]
    """

    temperature: float = 1.0

    def __post_init__(self):
        check_temperature("SoftTargets", self.temperature)

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        teacher = ops.log_softmax(teacher_logits / self.temperature, axis=-1)
        student = ops.log_softmax(student_logits / self.temperature, axis=-1)
        # q - p sums to 0; adding it cancels the rounding of the logarithms, which T^2 would magnify.
        p, q = ops.exp(teacher), ops.exp(student)
        divergence = ops.sum(p * (teacher - student) + (q - p), axis=-1)
        # What rounding is left can be negative, which no priority may be; the gradient does not depend on it.
        divergence = divergence + ops.stop_gradient(ops.maximum(-divergence, 0.0))
        return self.temperature**2 * per_sample(divergence)


@dataclasses.dataclass(frozen=True)
class LogitsDistance(Configured):
    """Mean absolute difference of the raw logits, (1 / K) sum_k |t_k - s_k|: DFAD (Fang et al., 2019)."""

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        return per_sample(ops.mean(ops.abs(teacher_logits - student_logits), axis=-1))


@dataclasses.dataclass(frozen=True)
class JensenShannon(Configured):
    """DeepInversion's measure of how much student and teacher disagree, for its competition term.

    J = (KL(M || P) + KL(M || Q)) / 2 with P and Q the softened predictions of student and teacher and M = (P + Q) / 2,
    all clipped to [0.01, 0.99]. Yin et al., CVPR 2020; as in the authors' code, the mixture comes first, where the
    textbook has it second. They also clip the mean of J over the batch to 1, which contrary certain predictions exceed.

    Args:
        temperature: T > 0, by which both logits are divided; 3 by default, as in the authors' code.

    Raises:
        ValueError: for another temperature.
    """

    temperature: float = 3.0

    def __post_init__(self):
        check_temperature("JensenShannon", self.temperature)

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the divergence per sample `[B]` for logits `[B, ..., K]`."""
        predictions = [ops.softmax(logits / self.temperature, axis=-1) for logits in (student_logits, teacher_logits)]
        mixture = ops.clip(0.5 * (predictions[0] + predictions[1]), 0.01, 0.99)
        clipped = [ops.clip(prediction, 0.01, 0.99) for prediction in predictions]
        divergences = [ops.sum(mixture * (ops.log(mixture) - ops.log(each)), axis=-1) for each in clipped]
        return per_sample(0.5 * (divergences[0] + divergences[1]))
