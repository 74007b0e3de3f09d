"""How often each side is updated, and in which phase of the training."""

import dataclasses
from typing import NamedTuple

from dfkd_keras.checks import check_counts
from dfkd_keras.serialization import Configured


class Updates(NamedTuple):
    """The updates of one training step: first `synthesis`, then `student`."""

    synthesis: int
    student: int


@dataclasses.dataclass(frozen=True)
class Alternating(Configured):
    """Every step updates the synthesizer, then the student, as DAFL and the adversarial methods do.

    Args:
        epochs: epochs in all.
        synthesis_updates: synthesis updates a step, at least 1.
        student_updates: student updates a step, at least 1.
    """

    epochs: int = 100
    synthesis_updates: int = 1
    student_updates: int = 1

    def __post_init__(self):
        check_counts("Alternating", **dataclasses.asdict(self))

    @property
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (Updates(self.synthesis_updates, self.student_updates),)

    def updates(self, epoch: int) -> Updates:
        """Returns the updates that each step of `epoch` (from 0) makes."""
        return self.kinds[0]


@dataclasses.dataclass(frozen=True)
class TwoStage(Configured):
    """First the synthesizer alone, then the student on the frozen synthesizer, as RDSKD does.

    Args:
        synthesis_epochs: epochs of one synthesis update a step.
        student_epochs: epochs of one student update a step, which follow.
    """

    synthesis_epochs: int = 20
    student_epochs: int = 1000

    def __post_init__(self):
        check_counts("TwoStage", **dataclasses.asdict(self))

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (Updates(1, 0), Updates(0, 1))

    def updates(self, epoch: int) -> Updates:
        """Returns the updates that each step of `epoch` (from 0) makes."""
        return self.kinds[0] if epoch < self.synthesis_epochs else self.kinds[1]
