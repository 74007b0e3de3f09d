"""The base class of all terms, and that of terms that wrap another one."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.checks import check_kinds
from dfkd_keras.utils.serialization import Configured


class Term(Configured):
    """One published term of a synthesis objective; lower is better.

    A subclass implements `__call__`, the term's equation, and usually is a frozen dataclass whose fields are the
    hyperparameters. A term that keeps state between updates is also a `Component`, which owns variables, and
    implements `prepare`, `after_update` or `end_round`. A term that wraps another one extends `TermWrapper`.

    Class attributes:
        needs: Frozenset of strings. What the term reads besides the images and the teacher's logits: any of
            "normalized_images", "student", "features", "batch_statistics", "sample_means", "latents", "second_view",
            "labels", "soft_labels", "class_counts" and "rounds". What no term needs is not computed.
        compares_halves: Boolean. Whether the term splits the batch into two halves, so that its size must be even.
        learned_variables: List of the Keras variables that the term itself trains with the gradient of the whole
            objective. Empty for most terms.
        optimizer: Keras optimizer of `learned_variables`, or None if there are none.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class MeanLogit(dk.objectives.Term):
        ...     def __call__(self, batch):
        ...         return keras.ops.mean(batch.teacher_logits, axis=-1)
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    compares_halves: ClassVar[bool] = False
    learned_variables: ClassVar[Sequence[keras.Variable]] = ()
    optimizer: ClassVar[keras.optimizers.Optimizer | None] = None

    @property
    def name(self) -> str:
        """Name under which the term is logged: the class name in snake case."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def nested_terms(self) -> tuple["Term", ...]:
        """Returns the term itself and the terms that it wraps, at any depth.

        A method, because Keras' loader walks the attributes of a part, and would never come to an end.
        """
        return (self,)

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Computes the term.

        Args:
            batch: `SyntheticBatch`. The images and the networks' outputs for them; on several replicas, of all of them.

        Returns:
            Float tensor `[B]`, one value per image, or a scalar if the term is a statistic of the batch.
        """
        raise NotImplementedError

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Creates the term's variables. Called once before training.

        Args:
            outputs: `TeacherOutputs`. What the teacher gives for a sample image, from which shapes can be read.
            batch_size: Integer. Images per synthesis update.
        """

    def learn(self, gradients: list) -> None:
        """Takes one optimizer step on `learned_variables` along their gradients."""

    def after_update(self, batch: SyntheticBatch) -> None:
        """Called with the batch of every synthesis update, after the update."""

    def end_round(self) -> None:
        """Called at the end of every round of synthesis."""


@dataclasses.dataclass(frozen=True)
class TermWrapper(Term):
    """A term that changes the value of another one, under whose name it is logged.

    A subclass implements `__call__`. Variables, optimizer and hooks of the wrapped term keep working.

    Args:
        term: `Term`. The wrapped term.

    Raises:
        InvalidInputError: If `term` is no `Term`.
    """

    term: Term

    def __post_init__(self):
        check_kinds(type(self).__name__, Term, term=self.term)

    @property
    def name(self) -> str:
        """Name of the wrapped term."""
        return self.term.name

    @property
    def needs(self) -> frozenset[str]:
        """What the wrapped term needs."""
        return self.term.needs

    def nested_terms(self) -> tuple[Term, ...]:
        """Returns the term itself and the terms that it wraps, at any depth."""
        return (self, *self.term.nested_terms())
