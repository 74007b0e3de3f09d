"""Which images of the replay buffer the student is trained on next."""

import dataclasses
from typing import Any, Literal

import keras
from keras import ops

from dfkd_keras.losses.logits import SoftTargets
from dfkd_keras.utils.checks import check_choices, check_flags, check_functions, check_numbers
from dfkd_keras.utils.serialization import Configured


class Sampling(Configured):
    """How a replay buffer draws the student's images.

    A subclass implements `sample`. One that keeps priorities sets `has_priorities = True` and also implements
    `normalized` and `priorities`, and `probabilities` for the report of a run.

    Class attributes:
        has_priorities: Boolean. Whether images have priorities, which follow from how the student does on them.
    """

    has_priorities: bool = False

    def sample(self, priorities: Any, size: Any, sample_count: Any, selection: Any) -> tuple[Any, Any]:
        """Draws a batch.

        Args:
            priorities: Float tensor `[C]` of the priority at each position; 0 where the buffer is empty.
            size: Integer tensor. Number of images in the buffer, which are at the positions below it.
            sample_count: Integer tensor. Number of batches drawn before.
            selection: Float tensor `[B]`. Uniform random numbers in [0, 1).

        Returns:
            The positions of the images, int32 `[B]`, and their importance weights, float `[B]`, or None for weights
            of 1.
        """
        raise NotImplementedError

    def normalized(self, weights: Any) -> Any:
        """Returns the importance weights `[B]` as they are used in the distillation loss. Defaults to themselves."""
        return weights

    def priorities(self, teacher_logits: Any, student_logits: Any, weights: Any) -> Any:
        """Computes new priorities from the forward pass that trained the student.

        Args:
            teacher_logits: Float tensor `[B, K]` or `[B, H, W, K]`.
            student_logits: Float tensor of the same shape.
            weights: Float tensor `[B]`. Importance weights with which the images were drawn.

        Returns:
            Float tensor `[B]`, finite and at least 0.
        """
        raise NotImplementedError

    def probabilities(self, priorities: Any, size: Any) -> Any:
        """Returns the probability with which each image is drawn next.

        Args:
            priorities: Float tensor `[C]`, as in `sample`.
            size: Integer tensor, as in `sample`.

        Returns:
            Float tensor `[C]`, 0 where the buffer is empty. Defaults to None, not known.
        """
        return None

    def invalid_priority(self, priority: float) -> str:
        """Returns the error message for a priority that is negative, NaN or infinite."""
        return f"{type(self).__name__} gave the priority {priority}: it must be finite and at least 0 for every image."


@dataclasses.dataclass(frozen=True)
class UniformSampling(Sampling):
    """Draws every image equally often, with replacement."""

    def sample(self, priorities: Any, size: Any, sample_count: Any, selection: Any) -> tuple[Any, None]:
        """Returns positions, int32 `[B]`, and None for weights of 1; see `Sampling.sample`."""
        size = ops.cast(size, "float32")
        # The product may round up to the size itself.
        return ops.cast(ops.minimum(ops.floor(selection * size), size - 1.0), "int32"), None


@dataclasses.dataclass(frozen=True)
class PrioritySampling(Sampling):
    """SSD-KD's priority sampling: images on which teacher and student differ are drawn more often.

    P_i = (delta_i + eps)^alpha / sum_j (delta_j + eps)^alpha is the probability of image i with priority delta_i, and
    w_i = (N P_i)^-beta its weight in the distillation loss, which corrects the bias; N is the number of images in the
    buffer. After an update, delta_i = w_i D_i, where D_i is the discrepancy of teacher and student in the very forward
    pass that trained the student.

    Args:
        priority_exponent: Float of at least 0. Exponent alpha of the priorities; 0 draws uniformly. Defaults to 0.5.
        importance_sampling_exponent: Float of at least 0, or a Keras learning rate schedule over the student updates,
            such as a `PolynomialDecay` from 0.4 to 1. Exponent beta of the weights; 0 gives weights of 1, and 1
            corrects the bias in full. Defaults to 0.7.
        discrepancy: Callable `(teacher_logits, student_logits) -> [B]`, at least 0. The discrepancy D. Defaults to
            `SoftTargets(1.0)`, the Kullback-Leibler divergence KL(p_t || p_s) at temperature 1.
        weighted: Boolean. Whether the priority has the factor w_i. Defaults to True.
        normalize: String. What the weights of a batch are divided by in the distillation loss: their "mean", their
            "max" as in prioritized experience replay, or nothing ("none"). Defaults to "mean".
        epsilon: Float of at least 0. The summand eps, which keeps images of priority 0 within reach. Defaults to 1e-6.

    Raises:
        InvalidInputError: If a number is negative or not finite, `normalize` is unknown, `discrepancy` cannot be called
            or `weighted` is no Boolean.

    Reference:
        Schaul et al., "Prioritized Experience Replay", ICLR 2016; Liu et al., "Small Scale Data-Free Knowledge
        Distillation" (SSD-KD), CVPR 2024. That SSD-KD uses the form of the former, and the factor w_i, are
        reconstructed from public descriptions. The defaults are what did best in our trials: those of prioritized
        experience replay (alpha = 1, beta = 0.4, "max") dwelt on images that were merely bad.

    Example:
        >>> sampling = PrioritySampling(priority_exponent=1.0, importance_sampling_exponent=0.4, normalize="max")
    """

    priority_exponent: float = 0.5
    importance_sampling_exponent: Any = 0.7
    discrepancy: Any = SoftTargets(1.0)  # noqa: RUF009 - immutable
    weighted: bool = True
    normalize: Literal["max", "mean", "none"] = "mean"
    epsilon: float = 1e-6

    has_priorities = True

    def __post_init__(self):
        check_numbers("PrioritySampling", priority_exponent=self.priority_exponent, epsilon=self.epsilon)
        if not isinstance(self.importance_sampling_exponent, keras.optimizers.schedules.LearningRateSchedule):
            check_numbers("PrioritySampling", importance_sampling_exponent=self.importance_sampling_exponent)
        check_functions("PrioritySampling", discrepancy=self.discrepancy)
        check_flags("PrioritySampling", weighted=self.weighted)
        check_choices("PrioritySampling", ("max", "mean", "none"), normalize=self.normalize)

    def probabilities(self, priorities: Any, size: Any) -> Any:
        """Returns the probability of each position `[C]` for priorities `[C]`; it is 0 where the buffer is empty."""
        powers = self._powers(priorities, size)
        return powers / ops.sum(powers)

    def sample(self, priorities: Any, size: Any, sample_count: Any, selection: Any) -> tuple[Any, Any]:
        """Returns positions, int32 `[B]`, and their weights w_i, float `[B]`; see `Sampling.sample`."""
        powers = self._powers(priorities, size)
        cumulative = ops.cumsum(powers)
        # Sums round: scaled to the last of them, no draw lies beyond it, nor on a position without probability.
        indices = ops.searchsorted(cumulative, selection * cumulative[-1], side="right")
        indices = ops.cast(ops.minimum(indices, size - 1), "int32")
        return indices, self.weights(ops.take(powers, indices) / ops.sum(powers), size, sample_count)

    def normalized(self, weights: Any) -> Any:
        """Returns the weights `[B]` divided as `normalize` says."""
        scale = {"max": ops.max, "mean": ops.mean, "none": ops.ones_like}[self.normalize](weights)
        return weights / scale

    def weights(self, probabilities: Any, size: Any, sample_count: Any) -> Any:
        """Returns the weights w_i = (N P_i)^-beta `[B]` for probabilities P_i `[B]` among `size` images."""
        beta = self.importance_sampling_exponent
        beta = beta(sample_count) if callable(beta) else beta
        return ops.power(probabilities * ops.cast(size, "float32"), -beta)

    def priorities(self, teacher_logits: Any, student_logits: Any, weights: Any) -> Any:
        """Returns the new priorities delta_i `[B]`; see `Sampling.priorities`."""
        discrepancy = self.discrepancy(teacher_logits, student_logits)
        return discrepancy * weights if self.weighted else discrepancy

    def invalid_priority(self, priority: float) -> str:
        """Returns the error message for a priority that is negative, NaN or infinite."""
        return (
            f"PrioritySampling.discrepancy={self.discrepancy} gave the priority {priority}: it must be finite and at "
            "least 0 for every image."
        )

    def _powers(self, priorities: Any, size: Any) -> Any:
        filled = ops.less(ops.arange(priorities.shape[0]), size)
        return ops.where(filled, ops.power(priorities + self.epsilon, self.priority_exponent), 0.0)
