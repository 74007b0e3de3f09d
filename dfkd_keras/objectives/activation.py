"""DAFL's activation term on the teacher's features."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.features import PENULTIMATE
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_kinds
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Activation(Term):
    """Synthetic images should activate the teacher's features as strongly as real images do.

    L_a(x) = -mean |f(x)|, at most 0, over the elements of a feature f.

    Args:
        feature: String. Name of the feature, one of `Teacher.features`. Defaults to "penultimate", the input of the
            layer that gives the logits.

    Raises:
        InvalidInputError: If `feature` is no string.

    Reference:
        Chen et al., "Data-Free Learning of Student Networks" (DAFL), ICCV 2019.

    Example:
        >>> features = {"penultimate": np.ones((4, 84), "float32")}
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, teacher_features=features)
        >>> tuple(dk.objectives.Activation()(batch).shape)
        (4,)
    """

    feature: str = PENULTIMATE

    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def __post_init__(self):
        check_kinds("Activation", str, feature=self.feature)

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Raises `InvalidInputError` if the teacher does not give the feature."""
        if self.feature not in outputs.features:
            raise InvalidInputError(
                f"Activation.feature={self.feature!r} is not among the teacher's features "
                f"{', '.join(sorted(outputs.features))}: add it to Teacher.features."
            )

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`."""
        return -per_sample(ops.abs(ops.cast(batch.teacher_features[self.feature], "float32")))
