"""Schedules of rounds: each opens, updates what makes the images, and closes by handing them to the memory."""

import dataclasses

from dfkd_keras.schedules.schedule import Schedule, StepKind
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError


class ScheduleOfRounds(Schedule):
    """A plan in which images come from rounds, whose opening, updates and closing are steps each.

    A subclass has the attributes `synthesis_updates`, of a round, and `updates_per_step`, how many of them are one
    step, compiled as a loop; it divides their number.
    """

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """Every kind of step that occurs."""
        return (*self._round[:2], self._round[-1], StepKind(0, 1))

    @property
    def _round(self) -> tuple[StepKind, ...]:
        updates = [StepKind(self.updates_per_step, 0)] * (self.synthesis_updates // self.updates_per_step)
        return (StepKind(0, 0, begins_round=True), *updates, StepKind(0, 0, ends_round=True))

    def _check_updates_per_step(self) -> None:
        if self.synthesis_updates % self.updates_per_step:
            owner = type(self).__name__
            raise InvalidInputError(
                f"{owner}.updates_per_step={self.updates_per_step} must divide "
                f"{owner}.synthesis_updates={self.synthesis_updates}."
            )


@dataclasses.dataclass(frozen=True)
class Rounds(ScheduleOfRounds):
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
        self._check_updates_per_step()
        needed = self._warmup_steps + len(self._round) + 1
        if needed > self.steps_per_epoch:
            raise InvalidInputError(
                f"Rounds.warmup_rounds={self.warmup_rounds} and one more take {needed} steps, but an epoch has only "
                f"{self.steps_per_epoch}: raise rounds_per_epoch to {-(-needed // self._steps_per_round)}, or warm up "
                "in fewer rounds."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch: its rounds' openings, synthesis updates, closings and student updates."""
        return self.rounds_per_epoch * self._steps_per_round

    def rounds_in(self, epochs: int) -> int:
        """Returns how many rounds of synthesis the first so many epochs make, those of the warm-up included."""
        full, rest = divmod(self.steps_per_epoch - self._warmup_steps, self._steps_per_round)
        return self.warmup_rounds + full + (rest > len(self._round)) + (epochs - 1) * self.rounds_per_epoch

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what the given step of an epoch does; both count from 0."""
        cycle, start = len(self._round), self._warmup_steps if epoch == 0 else 0
        if step < start:
            return self._round[step % cycle]
        round_start = step - (step - start) % self._steps_per_round
        has_room = self.steps_per_epoch - round_start > cycle
        return self._round[step - round_start] if has_room and step - round_start < cycle else StepKind(0, 1)

    @property
    def _warmup_steps(self) -> int:
        return self.warmup_rounds * len(self._round)

    @property
    def _steps_per_round(self) -> int:
        return len(self._round) + self.student_updates


@dataclasses.dataclass(frozen=True)
class RoundsFirst(ScheduleOfRounds):
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
        self._check_updates_per_step()

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch: its rounds' openings, synthesis updates and closings, or as many student updates."""
        return self.rounds_per_epoch * len(self._round)

    def rounds_in(self, epochs: int) -> int:
        """Returns how many rounds of synthesis the first so many epochs make."""
        return min(epochs, self.synthesis_epochs) * self.rounds_per_epoch

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what the given step of an epoch does; both count from 0."""
        return self._round[step % len(self._round)] if epoch < self.synthesis_epochs else StepKind(0, 1)
