"""Whatever a user passes as distillation loss, made a `StudentLoss`."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from dfkd_keras.losses.student_loss import FunctionLoss, StudentLoss
from dfkd_keras.utils.checks import check_kinds
from dfkd_keras.utils.errors import InvalidInputError

BUILT_IN = (keras.distillation.FeatureDistillation, keras.distillation.LogitsDistillation)


@dataclasses.dataclass(frozen=True)
class KerasDistillation(StudentLoss):
    """A loss of `keras.distillation` as a student loss, with one value for the batch.

    Args:
        loss: `keras.distillation.LogitsDistillation` or `keras.distillation.FeatureDistillation`. The former must have
            `loss=keras.losses.KLDivergence()`: its default applies the divergence to raw logits and leaves out the
            factor T^2.

    Raises:
        InvalidInputError: If it is none of these, if the divergence would be applied to raw logits, or if
            `FeatureDistillation` names the layer of one network alone.

    Example:
        >>> loss = keras.distillation.LogitsDistillation(temperature=4.0, loss=keras.losses.KLDivergence())
        >>> distillation_loss = dk.losses.KerasDistillation(loss)
    """

    loss: keras.distillation.DistillationLoss

    per_sample = False

    def __post_init__(self):
        check_kinds("KerasDistillation", keras.distillation.DistillationLoss, loss=self.loss)
        kind = type(self.loss).__name__
        if isinstance(self.loss, BUILT_IN) and self.loss.loss is keras.losses.kl_divergence:
            raise InvalidInputError(
                f"{kind}(loss='kl_divergence') takes raw logits for probabilities: pass "
                "loss=keras.losses.KLDivergence(), or use SoftTargets."
            )
        teacher, student = self._layer_names
        if (teacher is None) != (student is None):
            raise InvalidInputError(
                f"{kind} has teacher_layer_name={teacher!r} and student_layer_name={student!r}: name both, or none for "
                "the logits."
            )

    @property
    def matches_features(self) -> bool:
        """Boolean. Whether it compares features rather than logits."""
        return None not in self._layer_names

    @property
    def teacher_features(self) -> tuple[str, ...]:
        """Tuple of one string. The teacher's layer."""
        return self._layer_names[:1]

    @property
    def student_features(self) -> tuple[str, ...]:
        """Tuple of one string. The student's layer."""
        return self._layer_names[1:]

    def __call__(
        self,
        teacher_logits: Any,
        student_logits: Any,
        teacher_maps: Sequence[Any] = (),
        student_maps: Sequence[Any] = (),
    ) -> Any:
        """Returns the loss of the batch, a scalar."""
        if self.matches_features:
            return self.loss.compute_loss(teacher_maps[0], student_maps[0])
        return self.loss.compute_loss(teacher_logits, student_logits)

    @property
    def _layer_names(self) -> tuple[str | None, str | None]:
        if not isinstance(self.loss, keras.distillation.FeatureDistillation):
            return None, None
        return self.loss.teacher_layer_name, self.loss.student_layer_name


def as_distillation_loss(loss: StudentLoss | keras.distillation.DistillationLoss | Callable) -> StudentLoss:
    """Wraps whatever the student is to match.

    Args:
        loss: `StudentLoss`, which is returned as it is; a loss of `keras.distillation`; or a function of the teacher's
            and the student's logits that returns a value per sample.

    Returns:
        `StudentLoss`.

    Raises:
        InvalidInputError: If it is none of these.
    """
    if isinstance(loss, StudentLoss):
        return loss
    if isinstance(loss, keras.distillation.DistillationLoss):
        return KerasDistillation(loss)
    return FunctionLoss(loss)
