"""The adversarial term, which seeks images on which the student differs from the teacher."""

import dataclasses
from typing import Any, ClassVar

from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.utils.checks import check_flags, check_functions


@dataclasses.dataclass(frozen=True)
class AdversarialDiscrepancy(Term):
    """The negative discrepancy between teacher and student, so that images grow hard for the student.

    L_adv(x) = -1{argmax s(x) = argmax t(x)} D(t(x), s(x)), at most 0. The indicator ("decision" in CMI) leaves out
    images, and for a segmenter pixels, that the student already gets wrong.

    Args:
        discrepancy: Callable `(teacher_logits, student_logits) -> [B]`, the discrepancy D. `LogitsDistance()` gives
            DFAD's loss, and `JensenShannon()` DeepInversion's competition term 1 - J up to the constant; both, and
            ZSKT's divergence, go with `agreed_only=False`. Defaults to `SoftTargets(1.0)`, the Kullback-Leibler
            divergence KL(p_t || p_s) at temperature 1.
        agreed_only: Boolean. Whether the indicator is applied. Defaults to True.

    Raises:
        InvalidInputError: If `discrepancy` cannot be called, or `agreed_only` is no Boolean.

    Reference:
        Fang et al., "Contrastive Model Inversion for Data-Free Knowledge Distillation" (CMI), IJCAI 2021, and "Up to
        100x Faster Data-free Knowledge Distillation" (Fast), AAAI 2022.

    Example:
        >>> term = dk.objectives.AdversarialDiscrepancy(dk.losses.LogitsDistance(), agreed_only=False)  # DFAD's
        >>> batch = dk.objectives.SyntheticBatch(images, None, teacher_logits, student_logits=student_logits)
        >>> tuple(term(batch).shape)
        (4,)
    """

    discrepancy: Any = SoftTargets(1.0)  # noqa: RUF009 - immutable
    agreed_only: bool = True

    needs: ClassVar[frozenset[str]] = frozenset({"student"})

    def __post_init__(self):
        check_functions("AdversarialDiscrepancy", discrepancy=self.discrepancy)
        check_flags("AdversarialDiscrepancy", agreed_only=self.agreed_only)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`."""
        logits = batch.teacher_logits, batch.student_logits
        if not self.agreed_only:
            return -self.discrepancy(*logits)
        agreed = ops.equal(*(ops.argmax(each, axis=-1) for each in logits))
        # Every pixel is decided by itself, as if it were an image.
        discrepancy = self.discrepancy(*(ops.reshape(each, (-1, each.shape[-1])) for each in logits))
        discrepancy = ops.reshape(discrepancy, ops.shape(agreed))
        return -per_sample(discrepancy * ops.cast(agreed, discrepancy.dtype))
