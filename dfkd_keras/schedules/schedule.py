"""How often each side is updated, and in which phase of the training."""

import dataclasses
from typing import NamedTuple

from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.serialization import Configured


class StepKind(NamedTuple):
    """What one training step does: `synthesis` updates, then `student` updates.

    A step may also open a round of synthesis before its updates, or close it between those of the two sides; and its
    student updates may share one batch, of the latents of its first synthesis update.
    """

    synthesis: int
    student: int
    begins_round: bool = False
    ends_round: bool = False
    shared_latents: bool = False

    @property
    def draws(self) -> int:
        """How many updates of the step have random draws of their own."""
        return max(1, self.synthesis + self.student)


class UpdateCounts(NamedTuple):
    """How many updates of each side are made.

    Attributes:
        synthesis: Integer. Updates of the synthesizer.
        student: Integer. Updates of the student.
    """

    synthesis: int
    student: int

    def __add__(self, other: "UpdateCounts") -> "UpdateCounts":
        return UpdateCounts(self.synthesis + other.synthesis, self.student + other.student)


class Schedule(Configured):
    """The plan of a whole training.

    A subclass is a frozen dataclass with the attributes `epochs` and `steps_per_epoch`, and the members below.
    """

    @property
    def rounds(self) -> int:
        """Rounds of synthesis in all; 0 for a schedule without such."""
        return self.rounds_in(self.epochs)

    def rounds_in(self, epochs: int) -> int:
        """Returns how many rounds of synthesis the first so many epochs make."""
        return 0

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Every kind of step that occurs; each is compiled once."""
        raise NotImplementedError

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what the given step of an epoch does; both count from 0."""
        raise NotImplementedError

    def updates_in_epoch(self, epoch: int, steps_per_epoch: int | None = None) -> UpdateCounts:
        """Returns the number of updates of each side in one epoch.

        Args:
            epoch: Integer. Index of the epoch, from 0.
            steps_per_epoch: Integer. Steps to count. Defaults to the schedule's own number.
        """
        steps = self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
        kinds = [self.step_kind(epoch, step) for step in range(steps)]
        return UpdateCounts(sum(kind.synthesis for kind in kinds), sum(kind.student for kind in kinds))

    def total_updates(self, epochs: int | None = None, steps_per_epoch: int | None = None) -> UpdateCounts:
        """Returns the number of updates of each side in the first `epochs` epochs.

        Args:
            epochs: Integer. Number of epochs. Defaults to all of the schedule's.
            steps_per_epoch: Integer. Steps an epoch. Defaults to the schedule's own number.
        """
        epochs = range(self.epochs if epochs is None else epochs)
        return sum((self.updates_in_epoch(epoch, steps_per_epoch) for epoch in epochs), UpdateCounts(0, 0))

    def updates_after(self, steps: int) -> UpdateCounts:
        """Returns the number of updates of each side in the first `steps` steps of the training."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return self.total_updates(epochs) + self.updates_in_epoch(epochs, rest)


@dataclasses.dataclass(frozen=True)
class Alternating(Schedule):
    """Every step updates the synthesizer, then the student, as DAFL and the adversarial methods do.

    Args:
        epochs: epochs in all.
        synthesis_updates: synthesis updates a step, at least 1.
        student_updates: student updates a step, at least 1.
        steps_per_epoch: steps an epoch.
        shared_latents: whether the student's updates share one batch, of the latents of the first synthesis update, as
            ZSKT's do, instead of new ones in each.
    """

    epochs: int = 100
    synthesis_updates: int = 1
    student_updates: int = 1
    steps_per_epoch: int = 120
    shared_latents: bool = False

    def __post_init__(self):
        counts = dataclasses.asdict(self)
        if not isinstance(shared := counts.pop("shared_latents"), bool):
            raise InvalidInputError(f"Alternating.shared_latents={shared!r} must be True or False.")
        check_counts("Alternating", **counts)

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Every kind of step that occurs."""
        return (StepKind(self.synthesis_updates, self.student_updates, shared_latents=self.shared_latents),)

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what the given step of an epoch does; both count from 0."""
        return self.kinds[0]


@dataclasses.dataclass(frozen=True)
class TwoStage(Schedule):
    """First the synthesizer alone, then the student on the frozen synthesizer, as RDSKD does.

    Args:
        synthesis_epochs: epochs of one synthesis update a step; 0 for a synthesizer that has nothing to train.
        student_epochs: epochs of one student update a step, which follow.
        steps_per_epoch: steps an epoch.
    """

    synthesis_epochs: int = 20
    student_epochs: int = 1000
    steps_per_epoch: int = 120

    def __post_init__(self):
        check_counts("TwoStage", minimum=0, synthesis_epochs=self.synthesis_epochs)
        check_counts("TwoStage", student_epochs=self.student_epochs, steps_per_epoch=self.steps_per_epoch)

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Every kind of step that occurs."""
        return (StepKind(1, 0), StepKind(0, 1)) if self.synthesis_epochs else (StepKind(0, 1),)

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what the given step of an epoch does; both count from 0."""
        return self.kinds[0] if epoch < self.synthesis_epochs else self.kinds[-1]
