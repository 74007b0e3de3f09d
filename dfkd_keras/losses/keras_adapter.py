"""The loss objects of `keras.distillation` as what the student matches."""

import dataclasses
from typing import Any

import keras

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class KerasDistillation(Configured):
    """A `keras.distillation.LogitsDistillation` or `FeatureDistillation` as a student loss, one value for the batch.

    Args:
        loss: the object. `LogitsDistillation` wants `loss=keras.losses.KLDivergence()`: its default applies the
            divergence to raw logits and leaves the factor T^2 out.

    Raises:
        ValueError: for a loss that is wrong in this way, or that names the feature of one network alone.
    """

    loss: Any

    per_sample = False

    def __post_init__(self):
        if getattr(self.loss, "loss", None) is keras.losses.kl_divergence:
            raise InvalidInputError(
                f"{type(self.loss).__name__}(loss='kl_divergence') takes raw logits for probabilities: pass "
                "loss=keras.losses.KLDivergence(), or use SoftTargets."
            )
        names = self._names
        if (names[0] is None) != (names[1] is None):
            raise InvalidInputError(
                f"{type(self.loss).__name__} has teacher_layer_name={names[0]!r} and student_layer_name={names[1]!r}: "
                "name both, or none for the logits."
            )

    @property
    def matches_features(self) -> bool:
        """Whether it looks at features rather than at logits."""
        return None not in self._names

    @property
    def teacher_features(self) -> tuple[str, ...]:
        """The teacher's feature."""
        return self._names[:1]

    @property
    def student_features(self) -> tuple[str, ...]:
        """The student's feature."""
        return self._names[1:]

    def __call__(
        self, teacher_logits: Any, student_logits: Any, teacher_maps: list = (), student_maps: list = ()
    ) -> Any:
        """Returns a scalar."""
        if self.matches_features:
            return self.loss.compute_loss(teacher_maps[0], student_maps[0])
        return self.loss.compute_loss(teacher_logits, student_logits)

    @property
    def _names(self) -> tuple[str | None, str | None]:
        return getattr(self.loss, "teacher_layer_name", None), getattr(self.loss, "student_layer_name", None)


def as_distillation_loss(loss: Any) -> Any:
    """Returns a student loss: `KerasDistillation` for an object of `keras.distillation`, all else as it is."""
    return KerasDistillation(loss) if isinstance(loss, keras.distillation.DistillationLoss) else loss
