"""What the student matches, per sample; the same measures tell a synthesizer how far student and teacher are apart."""

import dataclasses
import math
from typing import Any

from keras import ops

from dfkd_keras.checks import check_numbers
from dfkd_keras.serialization import Configured


def per_sample(values: Any) -> Any:
    """Averages everything behind the batch axis: `[B]` stays, `[B, H, W]` becomes `[B]`."""
    axes = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=axes) if axes else values


def check_temperature(owner: str, temperature: float) -> None:
    """Raises ValueError unless the temperature is a positive number."""
    if not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
        raise ValueError(f"{owner}.temperature={temperature!r} must be positive and finite.")


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


@dataclasses.dataclass(frozen=True)
class AttentionTransfer(Configured):
    """Another loss, and the distance of the attention maps: ZSKT's student loss (Micaelli and Storkey, NeurIPS 2019).

    L + weight K sum_l mean((a_l(S) - a_l(T))^2), where a_l is the mean over channels of the squared activations of
    stage l, all positions of an image in one vector of norm 1 (Zagoruyko and Komodakis, ICLR 2017), and the mean is
    over positions.

    Args:
        loss: on the logits; `SoftTargets(1.0)` by default.
        weight: at least 0; 250 by default, as in ZSKT. The number of classes K is there because the authors divide the
            divergence by it.
        teacher_features: names of features of the teacher, see `Teacher.features`; by default the stages at the
            resolutions that both networks have.
        student_features: of the student, as many and of the same resolutions.

    Raises:
        ValueError: for a negative weight; for features that there are not, or do not match, when a distiller is built.

    Example:
        >>> AttentionTransfer(SoftTargets(1.0), weight=250.0)
    """

    loss: Any = SoftTargets(1.0)
    weight: float = 250.0
    teacher_features: tuple[str, ...] | None = None
    student_features: tuple[str, ...] | None = None

    matches_features = True

    def __post_init__(self):
        check_numbers("AttentionTransfer", weight=self.weight)

    def __call__(self, teacher_logits: Any, student_logits: Any, teacher_maps: list, student_maps: list) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]` and lists of feature maps `[B, H, W, C]`."""
        loss = self.loss(teacher_logits, student_logits)
        for teacher_map, student_map in zip(teacher_maps, student_maps, strict=True):
            difference = attention(teacher_map) - attention(student_map)
            loss = loss + self.weight * teacher_logits.shape[-1] * ops.mean(ops.square(difference), axis=-1)
        return loss


def attention(features: Any) -> Any:
    """Returns the attention maps `[B, H W]` of feature maps `[B, H, W, C]`, each of norm 1."""
    energy = ops.mean(ops.square(ops.cast(features, "float32")), axis=-1)
    flat = ops.reshape(energy, (ops.shape(energy)[0], -1))
    return flat / ops.sqrt(ops.sum(ops.square(flat), axis=-1, keepdims=True) + 1e-12)
