"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017), as ZSKT uses it."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.utils.checks import check_numbers
from dfkd_keras.utils.serialization import Configured


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

    loss: Any = SoftTargets(1.0)  # noqa: RUF009 - immutable
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
