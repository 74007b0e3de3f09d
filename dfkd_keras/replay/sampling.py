"""Which images of the memory the student sees next."""

import dataclasses
from typing import Any, Literal

import keras
from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.utils.checks import check_numbers
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class UniformSampling(Configured):
    """Every image equally often, drawn with replacement."""

    names = ()

    def normalized(self, weights: None) -> None:
        """There is nothing to normalize."""

    def sample(self, priorities: Any, size: Any, sample_count: Any, selection: Any) -> tuple[Any, None]:
        """Draws images.

        Args:
            priorities: unused.
            size: how many places of the memory are filled.
            sample_count: unused.
            selection: uniform in [0, 1) `[B]`.

        Returns:
            The indices of the images `[B]`, and None for weights that are all 1.
        """
        size = ops.cast(size, "float32")
        # The product may round up to the size itself.
        return ops.cast(ops.minimum(ops.floor(selection * size), size - 1.0), "int32"), None


@dataclasses.dataclass(frozen=True)
class PrioritySampling(Configured):
    """SSD-KD's priority sampling: images on which teacher and student differ come more often.

    P_i = (delta_i + eps)^alpha / sum_j (delta_j + eps)^alpha is the probability of image i with priority delta_i, and
    w_i = (N P_i)^-beta its weight in the student's loss, which corrects the bias. After an update,
    delta_i = w_i * discrepancy_i with the discrepancy of the very forward pass that trained the student. Prioritised
    experience replay (Schaul et al., ICLR 2016); that SSD-KD (Liu et al., CVPR 2024) uses this form and the factor w_i
    are reconstructed from public descriptions. The defaults are what did best in our trials; prioritised replay has
    alpha = 1, beta = 0.4 and "max", which dwelt on images that were merely bad.

    Args:
        priority_exponent: alpha, the exponent of the priorities, at least 0; 0 draws uniformly.
        importance_sampling_exponent: beta, the exponent of the weights; 0 gives weights of 1, 1 corrects in full. A
            number, or a Keras schedule over the student updates, such as a `PolynomialDecay` from 0.4 to 1.
        discrepancy: `(teacher_logits, student_logits) -> [B]`, at least 0; the divergence at temperature 1 by default.
        weighted: whether the priority has the factor w_i.
        normalize: in the student's loss the weights of a batch are divided by their "mean", their "max" (as in
            prioritised replay), or by nothing ("none").
        epsilon: keeps images of priority 0 within reach.
    """

    priority_exponent: float = 0.5
    importance_sampling_exponent: Any = 0.7
    discrepancy: Any = SoftTargets(1.0)  # noqa: RUF009 - immutable
    weighted: bool = True
    normalize: Literal["max", "mean", "none"] = "mean"
    epsilon: float = 1e-6

    names = ("priority",)

    def __post_init__(self):
        check_numbers("PrioritySampling", priority_exponent=self.priority_exponent, epsilon=self.epsilon)
        if not isinstance(self.importance_sampling_exponent, keras.optimizers.schedules.LearningRateSchedule):
            check_numbers("PrioritySampling", importance_sampling_exponent=self.importance_sampling_exponent)
        if self.normalize not in ("max", "mean", "none"):
            raise InvalidInputError(f"PrioritySampling.normalize={self.normalize!r} must be 'max', 'mean' or 'none'.")

    def probabilities(self, priorities: Any, size: Any) -> Any:
        """Returns the probability of every place `[C]` for the priorities `[C]`; that of empty ones is 0."""
        powers = self._powers(priorities, size)
        return powers / ops.sum(powers)

    def sample(self, priorities: Any, size: Any, sample_count: Any, selection: Any) -> tuple[Any, Any]:
        """Draws images.

        Args:
            priorities: of all places `[C]`.
            size: how many places of the memory are filled.
            sample_count: how many batches were drawn before.
            selection: uniform in [0, 1) `[B]`.

        Returns:
            The indices of the images and their weights w_i, `[B]` each.
        """
        powers = self._powers(priorities, size)
        cumulative = ops.cumsum(powers)
        # Sums round: scaled to the last of them, no draw lies beyond it, nor on a place without probability.
        indices = ops.searchsorted(cumulative, selection * cumulative[-1], side="right")
        indices = ops.cast(ops.minimum(indices, size - 1), "int32")
        return indices, self.weights(ops.take(powers, indices) / ops.sum(powers), size, sample_count)

    def _powers(self, priorities: Any, size: Any) -> Any:
        filled = ops.less(ops.arange(priorities.shape[0]), size)
        return ops.where(filled, ops.power(priorities + self.epsilon, self.priority_exponent), 0.0)

    def normalized(self, weights: Any) -> Any:
        """Returns the weights `[B]` as the student's loss takes them."""
        scale = {"max": ops.max, "mean": ops.mean, "none": ops.ones_like}[self.normalize](weights)
        return weights / scale

    def weights(self, probabilities: Any, size: Any, sample_count: Any) -> Any:
        """Returns the weights w_i = (N P_i)^-beta, `[B]`, for probabilities `[B]` among `size` images."""
        beta = self.importance_sampling_exponent
        beta = beta(sample_count) if callable(beta) else beta
        return ops.power(probabilities * ops.cast(size, "float32"), -beta)

    def priorities(self, teacher_logits: Any, student_logits: Any, weights: Any) -> Any:
        """Returns the new priorities `[B]` of the images, drawn with weights w_i, that trained the student just now."""
        discrepancy = self.discrepancy(teacher_logits, student_logits)
        return discrepancy * weights if self.weighted else discrepancy

    def refusal(self, priority: float) -> str:
        """Returns what to say of a priority that is negative, NaN or infinite."""
        return (
            f"PrioritySampling.discrepancy={self.discrepancy} gave the priority {priority}: it must be finite and at "
            "least 0 for every image."
        )
