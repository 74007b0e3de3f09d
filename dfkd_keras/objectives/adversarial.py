"""Terms that look for images on which the student still differs from the teacher."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term


@dataclasses.dataclass(frozen=True)
class AdversarialDiscrepancy(Term):
    """The negative discrepancy of student and teacher, so that images grow hard for the student.

    L_adv(x) = -1{argmax s(x) = argmax t(x)} D(t(x), s(x)). The mask, "decision" in CMI (Fang et al., IJCAI 2021) and
    Fast (Fang et al., AAAI 2022), leaves out images (of a segmenter: pixels) that the student already gets wrong. At
    most 0.

    Args:
        discrepancy: D, `(teacher_logits, student_logits) -> [B]`; the Kullback-Leibler divergence KL(p_t || p_s) at
            temperature 1 by default. DFAD takes `LogitsDistance()`. DeepInversion's competition term 1 - J is, but for
            the constant, the one with `JensenShannon()`; all three are without the mask.
        agreed_only: whether the mask is applied.
    """

    discrepancy: Any = SoftTargets(1.0)  # noqa: RUF009 - immutable
    agreed_only: bool = True

    needs: ClassVar[frozenset[str]] = frozenset({"student"})

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        logits = batch.teacher_logits, batch.student_logits
        if not self.agreed_only:
            return -self.discrepancy(*logits)
        agreed = ops.equal(*(ops.argmax(each, axis=-1) for each in logits))
        # Every pixel is decided by itself, as if it were an image.
        discrepancy = self.discrepancy(*(ops.reshape(each, (-1, each.shape[-1])) for each in logits))
        discrepancy = ops.reshape(discrepancy, ops.shape(agreed))
        return -per_sample(discrepancy * ops.cast(agreed, discrepancy.dtype))
