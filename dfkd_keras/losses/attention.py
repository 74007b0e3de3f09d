"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017), as ZSKT uses it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.losses.student_loss import StudentLoss
from dfkd_keras.utils.checks import check_kinds, check_lists, check_numbers, given


@dataclasses.dataclass(frozen=True)
class AttentionTransfer(StudentLoss):
    """A loss on the logits plus the distance of the attention maps: the student loss of ZSKT.

    L + weight K sum_l mean((a_l(S) - a_l(T))^2), where a_l is the mean over channels of the squared activations of
    stage l, all positions of an image in one vector of norm 1, and the mean is over positions.

    Args:
        loss: `StudentLoss` on the logits, L. Defaults to `SoftTargets(1.0)`.
        weight: Float, at least 0. Factor of the attention's part; the number of classes K stands beside it because the
            authors divide the divergence by K. Defaults to 250, as in ZSKT.
        teacher_features: Tuple of strings. Names of the teacher's features to match, see `Teacher.features`. Defaults
            to the stages at the resolutions that both networks have; if there are none, the loss on the logits remains.
        student_features: Tuple of strings. Names of the student's features, as many and of the same resolutions.
            Defaults to those stages too.

    Raises:
        InvalidInputError: If `loss` is no `StudentLoss`, the weight is negative or features are no tuples of strings,
            or, when a distiller is built, if features are missing or do not match.

    Reference:
        Micaelli and Storkey, "Zero-shot Knowledge Transfer via Adversarial Belief Matching", NeurIPS 2019; Zagoruyko
        and Komodakis, "Paying More Attention to Attention", ICLR 2017.

    Example:
        >>> loss = dk.losses.AttentionTransfer(dk.losses.SoftTargets(1.0), weight=250.0)
    """

    loss: StudentLoss = SoftTargets(1.0)  # noqa: RUF009 - immutable
    weight: float = 250.0
    teacher_features: tuple[str, ...] | None = None
    student_features: tuple[str, ...] | None = None

    matches_features = True
    requires_features = False

    def __post_init__(self):
        check_kinds("AttentionTransfer", StudentLoss, loss=self.loss)
        check_numbers("AttentionTransfer", weight=self.weight)
        features = given(teacher_features=self.teacher_features, student_features=self.student_features)
        check_lists("AttentionTransfer", str, **features)

    def __call__(
        self, teacher_logits: Any, student_logits: Any, teacher_maps: Sequence[Any], student_maps: Sequence[Any]
    ) -> Any:
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
