"""The contract of a term."""

import re
from typing import Any, ClassVar

from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.teacher.teacher import TeacherOutputs
from dfkd_keras.utils.serialization import Configured


class Term(Configured):
    """One published term of a synthesis objective; lower is better.

    A subclass is a frozen dataclass: its hyper-parameters are the fields, its equation is `__call__`. One that wraps
    another term has it in its field `term`; one with a memory is a `Component` too.

    Class attributes:
        needs: what it reads besides images and the teacher's logits: any of "student", "features", "batch_statistics",
            "sample_means", "latents", "second_view", "labels", "soft_labels", "class_counts" and "rounds".
            What no term needs is not computed.
        compares_halves: whether it splits the batch into two halves, which then must be of even size.
        learned_variables: what the term itself learns, by the gradient of the whole objective.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    compares_halves: ClassVar[bool] = False
    learned_variables = ()

    @property
    def name(self) -> str:
        """The name under which the term is logged: the class name in snake case."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def __call__(self, batch: SyntheticBatch) -> Any:
        """Returns the term per sample `[B]`, or one scalar if it is a statistic of the batch."""
        raise NotImplementedError

    def prepare(self, outputs: TeacherOutputs, batch_size: int) -> None:
        """Is shown what the teacher gives for some batch, before training: the time to make variables."""

    def learn(self, gradients: list) -> None:
        """Takes a step along the gradients of its learned variables."""

    def after_update(self, batch: SyntheticBatch) -> None:
        """Is shown the batch of every synthesis update, after the update."""

    def end_round(self) -> None:
        """Is told that a round of synthesis ends."""
