"""How often each side is updated, and in which phase of the training."""

import dataclasses
from typing import NamedTuple

from dfkd_keras.checks import check_counts
from dfkd_keras.serialization import Configured


class Updates(NamedTuple):
    """What one training step does: `synthesis` updates, then `student` updates.

    A step may also open a round of synthesis before its updates, or close it between those of the two sides; and its
    student updates may share one batch, of the latents of its first synthesis update.
    """

    synthesis: int
    student: int
    opens_round: bool = False
    closes_round: bool = False
    shared_latents: bool = False

    @property
    def draws(self) -> int:
        """How many updates of the step have random draws of their own."""
        return max(1, self.synthesis + self.student)


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
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs; each is compiled once."""
        raise NotImplementedError

    def updates(self, epoch: int, step: int = 0) -> Updates:
        """Returns what the given step of an epoch does; both count from 0."""
        raise NotImplementedError

    def makes(self, epoch: int, steps_per_epoch: int | None = None) -> Updates:
        """Returns how many updates of each side an epoch (from 0) makes in all."""
        steps = range(self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch)
        steps = [self.updates(epoch, step) for step in steps]
        return Updates(sum(step.synthesis for step in steps), sum(step.student for step in steps))

    def in_all(self, epochs: int | None = None, steps_per_epoch: int | None = None) -> Updates:
        """Returns how many updates of each side so many epochs make in all; those of the schedule by default."""
        made = [self.makes(epoch, steps_per_epoch) for epoch in range(self.epochs if epochs is None else epochs)]
        return Updates(sum(epoch.synthesis for epoch in made), sum(epoch.student for epoch in made))

    def made(self, steps: int) -> Updates:
        """Returns how many updates of each side the first so many steps of the training make."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        full, begun = self.in_all(epochs), self.makes(epochs, rest)
        return Updates(full.synthesis + begun.synthesis, full.student + begun.student)


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
            raise ValueError(f"Alternating.shared_latents={shared!r} must be True or False.")
        check_counts("Alternating", **counts)

    @property
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (Updates(self.synthesis_updates, self.student_updates, shared_latents=self.shared_latents),)

    def updates(self, epoch: int, step: int = 0) -> Updates:
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
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (Updates(1, 0), Updates(0, 1)) if self.synthesis_epochs else (Updates(0, 1),)

    def updates(self, epoch: int, step: int = 0) -> Updates:
        """Returns what the given step of an epoch does; both count from 0."""
        return self.kinds[0] if epoch < self.synthesis_epochs else self.kinds[-1]
