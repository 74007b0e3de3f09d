"""Terms that wrap another one: scaled, weighted per image by SSD-KD's phi, or delayed by some rounds."""

import dataclasses
from typing import Any

from keras import ops

from dfkd_keras.objectives.modulation import Modulation
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.objectives.term import TermWrapper
from dfkd_keras.utils.checks import check_counts, check_kinds, check_numbers
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Modulated(TermWrapper):
    """A term whose value for each image is multiplied by SSD-KD's modulating function, `phi(x) L(x)`.

    Args:
        term: `Term`. A term that has a value per image.
        modulation: `Modulation`. The modulating function phi. Defaults to `Modulation()`.

    Raises:
        InvalidInputError: If one of the two is of another kind.

    Reference:
        Liu et al., "Small Scale Data-Free Knowledge Distillation" (SSD-KD), CVPR 2024. That phi multiplies the terms
        of the inversion loss is reconstructed from public descriptions.

    Example:
        >>> term = dk.objectives.Modulated(dk.objectives.TargetCrossEntropy(), dk.objectives.Modulation(gamma=1.0))
    """

    modulation: Modulation = Modulation()  # noqa: RUF009 - immutable

    def __post_init__(self):
        super().__post_init__()
        check_kinds("Modulated", Modulation, modulation=self.modulation)

    @property
    def needs(self) -> frozenset[str]:
        """What the wrapped term needs, and the class counts if they have an effect."""
        return self.term.needs | (frozenset({"class_counts"}) if self.modulation.diversity else frozenset())

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns a float tensor `[B]`; raises `InvalidInputError` if the wrapped term is a statistic of the batch."""
        values = self.term(batch)
        if len(values.shape) != 1:
            raise InvalidInputError(
                f"{type(self.term).__name__} is a statistic of the batch, which cannot be modulated per image: leave "
                "out Modulated."
            )
        return values * self.modulation(batch.teacher_logits, batch.class_counts, batch.labels)


@dataclasses.dataclass(frozen=True)
class Scaled(TermWrapper):
    """A term times a constant, for combinations without weights such as `ExponentialPenalty`.

    Args:
        term: `Term`. The scaled term.
        factor: Float of at least 0. The constant.

    Raises:
        InvalidInputError: If `term` is no `Term`, or `factor` is negative or not finite.

    Example:
        >>> term = dk.objectives.Scaled(dk.objectives.ClassEntropy(), 0.5)
    """

    factor: float

    def __post_init__(self):
        super().__post_init__()
        check_numbers("Scaled", factor=self.factor)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns the value of the wrapped term times the factor."""
        return self.factor * self.term(batch)


@dataclasses.dataclass(frozen=True)
class AfterRounds(TermWrapper):
    """A term that is 0 in the first rounds, such as an adversarial one while there is no trained student.

    Args:
        term: `Term`. The delayed term.
        rounds: Integer of at least 0. Number of rounds of synthesis in which the term is 0.

    Raises:
        InvalidInputError: If `term` is no `Term`, or `rounds` is negative or not a whole number.

    Example:
        >>> term = dk.objectives.AfterRounds(dk.objectives.AdversarialDiscrepancy(), rounds=20)
    """

    rounds: int

    def __post_init__(self):
        super().__post_init__()
        check_counts("AfterRounds", minimum=0, rounds=self.rounds)

    @property
    def needs(self) -> frozenset[str]:
        """What the wrapped term needs, and a schedule that counts rounds."""
        return self.term.needs | {"rounds"}

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns the value of the wrapped term, or zeros of the same shape."""
        return ops.where(batch.round >= self.rounds, self.term(batch), 0.0)
