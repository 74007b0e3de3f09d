"""What the student matches, per sample: the T^2-scaled divergence from the teacher's soft targets."""

import dataclasses
import math
from typing import Any

from keras import ops

from dfkd_keras.serialization import Configured


def per_sample(values: Any) -> Any:
    """Averages everything behind the batch axis: `[B]` stays, `[B, H, W]` becomes `[B]`."""
    axes = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=axes) if axes else values


@dataclasses.dataclass(frozen=True)
class SoftTargets(Configured):
    """Kullback-Leibler divergence between softened predictions, T^2 KL(p_T || p_S) (Hinton et al. 2015).

    The factor T^2 keeps the gradient's size independent of the temperature.

    Args:
        temperature: T > 0, by which both logits are divided; RDSKD uses 10, DAFL 1.

    Example:
        >>> SoftTargets(temperature=4.0)(teacher_logits, student_logits)  # [B]
    """

    temperature: float = 1.0

    def __post_init__(self):
        if not isinstance(self.temperature, (int, float)) or not 0 < self.temperature < math.inf:
            raise ValueError(f"SoftTargets.temperature={self.temperature!r} must be positive and finite.")

    def __call__(self, teacher_logits: Any, student_logits: Any) -> Any:
        """Returns the loss per sample `[B]` for logits `[B, ..., K]`."""
        teacher = ops.log_softmax(teacher_logits / self.temperature, axis=-1)
        student = ops.log_softmax(student_logits / self.temperature, axis=-1)
        # q - p sums to 0; adding it cancels the rounding of the logarithms, which T^2 would magnify.
        p, q = ops.exp(teacher), ops.exp(student)
        divergence = ops.sum(p * (teacher - student) + (q - p), axis=-1)
        return self.temperature**2 * per_sample(divergence)
