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

    rounds = 0  # of synthesis in all, for a schedule that has such

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


@dataclasses.dataclass(frozen=True)
class Rounds(Schedule):
    """Rounds of synthesis, each of which adds a batch to the memory, with student updates in between.

    The schedule of the Fast family and of SSD-KD. A round opens with fresh latents and targets, makes
    `synthesis_updates` updates, and closes by writing its best batch to the memory; each of these is a step, and so is
    each of the `student_updates` that follow it. The first epoch opens with the warm-up rounds, which fill the memory
    and are not followed by student updates; for them it has so many ordinary rounds less, its last one cut short.

    Args:
        epochs: epochs in all.
        rounds_per_epoch: rounds an epoch; 1 in the authors' code of Fast.
        warmup_rounds: rounds before the first that is followed by student updates; may be 0.
        synthesis_updates: updates of latents and generator in a round.
        student_updates: student updates after a round.
        updates_per_step: how many of the synthesis updates are one step, compiled as a loop; it divides their number.

    Raises:
        ValueError: for counts below 1, or if the warm-up leaves the first epoch no step for the student.
    """

    epochs: int = 200
    rounds_per_epoch: int = 1
    warmup_rounds: int = 20
    synthesis_updates: int = 2
    student_updates: int = 400
    updates_per_step: int = 1

    def __post_init__(self):
        counts = dataclasses.asdict(self)
        check_counts("Rounds", minimum=0, warmup_rounds=counts.pop("warmup_rounds"))
        check_counts("Rounds", **counts)
        check_divides("Rounds", self.synthesis_updates, self.updates_per_step)
        needed = self._warmup_steps + len(self._round) + 1
        if needed > self.steps_per_epoch:
            raise ValueError(
                f"Rounds.warmup_rounds={self.warmup_rounds} and one more take {needed} steps, but an epoch has only "
                f"{self.steps_per_epoch}: raise rounds_per_epoch to {-(-needed // self._steps_per_round)}, or warm up "
                "in fewer rounds."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch: its rounds' openings, synthesis updates, closings and student updates."""
        return self.rounds_per_epoch * self._steps_per_round

    @property
    def rounds(self) -> int:
        """Rounds in all, those of the warm-up included."""
        full, rest = divmod(self.steps_per_epoch - self._warmup_steps, self._steps_per_round)
        return self.warmup_rounds + full + (rest > len(self._round)) + (self.epochs - 1) * self.rounds_per_epoch

    @property
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (*self._round[:2], self._round[-1], Updates(0, 1))

    def updates(self, epoch: int, step: int = 0) -> Updates:
        """Returns what the given step of an epoch does; both count from 0."""
        cycle, start = len(self._round), self._warmup_steps if epoch == 0 else 0
        if step < start:
            return self._round[step % cycle]
        round_start = step - (step - start) % self._steps_per_round
        has_room = self.steps_per_epoch - round_start > cycle
        return self._round[step - round_start] if has_room and step - round_start < cycle else Updates(0, 1)

    @property
    def _round(self) -> tuple[Updates, ...]:
        return steps_of_round(self.synthesis_updates, self.updates_per_step)

    @property
    def _warmup_steps(self) -> int:
        return self.warmup_rounds * len(self._round)

    @property
    def _steps_per_round(self) -> int:
        return len(self._round) + self.student_updates


@dataclasses.dataclass(frozen=True)
class RoundsFirst(Schedule):
    """First rounds of synthesis, which fill the memory, then the student on what is there, as ZSKD does.

    Args:
        synthesis_epochs: epochs of rounds.
        rounds_per_epoch: rounds an epoch.
        synthesis_updates: updates in a round.
        student_epochs: epochs of one student update a step, which follow.
        updates_per_step: how many of the synthesis updates are one step, compiled as a loop; it divides their number.
    """

    synthesis_epochs: int = 20
    rounds_per_epoch: int = 20
    synthesis_updates: int = 1500
    student_epochs: int = 500
    updates_per_step: int = 100

    def __post_init__(self):
        check_counts("RoundsFirst", **dataclasses.asdict(self))
        check_divides("RoundsFirst", self.synthesis_updates, self.updates_per_step)

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch: its rounds' openings, synthesis updates and closings, or as many student updates."""
        return self.rounds_per_epoch * len(self._round)

    @property
    def rounds(self) -> int:
        """Rounds in all."""
        return self.synthesis_epochs * self.rounds_per_epoch

    @property
    def kinds(self) -> tuple[Updates, ...]:
        """Every kind of step that occurs."""
        return (*self._round[:2], self._round[-1], Updates(0, 1))

    def updates(self, epoch: int, step: int = 0) -> Updates:
        """Returns what the given step of an epoch does; both count from 0."""
        return self._round[step % len(self._round)] if epoch < self.synthesis_epochs else Updates(0, 1)

    @property
    def _round(self) -> tuple[Updates, ...]:
        return steps_of_round(self.synthesis_updates, self.updates_per_step)


def steps_of_round(synthesis_updates: int, updates_per_step: int) -> tuple[Updates, ...]:
    """Returns the steps of one round of synthesis: opening, updates, closing."""
    steps = synthesis_updates // updates_per_step
    return (Updates(0, 0, opens_round=True), *[Updates(updates_per_step, 0)] * steps, Updates(0, 0, closes_round=True))


def check_divides(owner: str, synthesis_updates: int, updates_per_step: int) -> None:
    """Raises ValueError if a round's updates are no whole number of steps."""
    if synthesis_updates % updates_per_step:
        raise ValueError(
            f"{owner}.updates_per_step={updates_per_step} must divide {owner}.synthesis_updates={synthesis_updates}."
        )
