"""The term on the teacher's features: real images excite them."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.teacher.features import PENULTIMATE
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Activation(Term):
    """Synthetic images should excite the teacher's features as real ones do.

    L_a(x) = -mean |f(x)| over the elements of a feature f. DAFL (Chen et al., ICCV 2019). At most 0.

    Args:
        feature: its name among `Teacher.features`; the input of the last dense layer by default.
    """

    feature: str = PENULTIMATE

    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Raises ValueError if the teacher's features are others."""
        if self.feature not in outputs.features:
            raise InvalidInputError(
                f"Activation.feature={self.feature!r} is none of the teacher's features "
                f"{', '.join(sorted(outputs.features))}: add it to Teacher.features."
            )

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        return -per_sample(ops.abs(ops.cast(batch.teacher_features[self.feature], "float32")))
