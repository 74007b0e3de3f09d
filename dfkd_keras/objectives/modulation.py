"""Terms that wrap another one: SSD-KD's modulating function, and a late start."""

import dataclasses
from typing import Any, Literal

from keras import ops

from dfkd_keras.losses.student_loss import per_sample
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import Term
from dfkd_keras.utils.checks import check_counts, check_numbers
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class Modulation(Configured):
    """SSD-KD's modulating function phi: images of rare classes and images the teacher is unsure of count more.

    phi(x) = (1 - n_c / N) * (1 - p_c(x))^gamma with c a class, p_c the teacher's probability of it, and n_c of the N
    images in the memory of that class. For a segmenter, phi(x) is the mean of this over the pixels, and what is counted
    are pixels. Both ideas are those of SSD-KD (Liu et al., CVPR 2024); the product, and what follows, are reconstructed
    from public descriptions.

    Args:
        diversity: whether the first factor is there; it is 1 while the memory is empty.
        gamma: exponent of the second, at least 0; 0 leaves it out. On a cross-entropy with the target class it is the
            focal loss (Lin et al., ICCV 2017).
        category: the class c is the "target" that the image is meant to be of, or the one the teacher has "predicted".
            They differ while images are poor. Then "predicted" takes weight from just those images that should leave a
            frequent class, or a wrong one that the teacher is sure of. Pixels have no target: theirs is predicted.
        floor: what phi is raised to at least.
        normalize: whether phi is then divided by its mean over the batch, so that it redistributes the loss without
            scaling it.
        stop_gradient: whether phi is constant to the gradient; otherwise the generator can lower its loss by raising
            the teacher's confidence.

    Example:
        >>> Modulation(gamma=1.0)(teacher_logits, class_counts, labels)  # [B]
    """

    diversity: bool = True
    gamma: float = 1.0
    category: Literal["target", "predicted"] = "target"
    floor: float = 1e-3
    normalize: bool = True
    stop_gradient: bool = True

    def __post_init__(self):
        check_numbers("Modulation", gamma=self.gamma, floor=self.floor)
        if self.category not in ("target", "predicted"):
            raise InvalidInputError(f"Modulation.category={self.category!r} must be 'target' or 'predicted'.")

    def __call__(self, teacher_logits: Any, class_counts: Any = None, labels: Any = None) -> Any:
        """Computes phi.

        Args:
            teacher_logits: `[B, ..., K]`.
            class_counts: of the memory `[K]`; needed for diversity.
            labels: the target classes, int `[B, ...]`; without them the category is what the teacher has predicted.

        Returns:
            phi, `[B]`.
        """
        classes = ops.argmax(teacher_logits, axis=-1)
        if self.category == "target" and labels is not None:
            classes = labels
        membership = ops.one_hot(classes, teacher_logits.shape[-1], dtype="float32")
        phi = ops.ones_like(membership[..., 0])
        if self.gamma:
            probability = ops.sum(membership * ops.softmax(teacher_logits, axis=-1), axis=-1)
            phi = phi * ops.power(ops.maximum(1.0 - probability, 0.0), self.gamma)
        if self.diversity:
            counts = ops.cast(class_counts, "float32")
            phi = phi * (1.0 - ops.matmul(membership, counts / ops.maximum(ops.sum(counts), 1.0)))
        phi = ops.maximum(per_sample(phi), self.floor)
        phi = phi / ops.maximum(ops.mean(phi), 1e-12) if self.normalize else phi
        return ops.stop_gradient(phi) if self.stop_gradient else phi


@dataclasses.dataclass(frozen=True)
class Modulated(Term):
    """A term weighted per image by phi.

    Args:
        term: one that has a value per image.
        modulation: phi.
    """

    term: Term
    modulation: Modulation = Modulation()

    @property
    def name(self) -> str:
        """The name of the wrapped term."""
        return self.term.name

    @property
    def needs(self) -> frozenset[str]:
        """What the wrapped term needs, and the class counts if they have an effect."""
        return self.term.needs | (frozenset({"class_counts"}) if self.modulation.diversity else frozenset())

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns `[B]`."""
        values = self.term(batch)
        if len(values.shape) != 1:
            raise InvalidInputError(
                f"{type(self.term).__name__} is a statistic of the batch, which cannot be modulated."
            )
        return values * self.modulation(batch.teacher_logits, batch.class_counts, batch.labels)


@dataclasses.dataclass(frozen=True)
class AfterRounds(Term):
    """A term that is 0 in the first rounds, such as an adversarial one while there is no trained student.

    Args:
        term: any.
        rounds: how many rounds it waits, at least 0.

    Raises:
        ValueError: for fewer.
    """

    term: Term
    rounds: int

    def __post_init__(self):
        check_counts("AfterRounds", minimum=0, rounds=self.rounds)

    @property
    def name(self) -> str:
        """The name of the wrapped term."""
        return self.term.name

    @property
    def needs(self) -> frozenset[str]:
        """What the wrapped term needs, and a schedule that counts rounds."""
        return self.term.needs | {"rounds"}

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns what the term does."""
        return ops.where(batch.round >= self.rounds, self.term(batch), 0.0)
