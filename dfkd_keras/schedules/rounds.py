"""Schedules of rounds: each round begins, updates what makes the images, and ends by adding them to the buffer."""

import dataclasses

from dfkd_keras.schedules.schedule import Schedule, StepKind
from dfkd_keras.utils.checks import check_counts
from dfkd_keras.utils.errors import InvalidInputError


class ScheduleOfRounds(Schedule):
    """Base class of schedules in which images come from rounds.

    The beginning of a round, its updates and its end are steps of their own. A subclass has the attributes
    `synthesis_updates`, the number of updates in a round, and `updates_per_step`, how many of them make one step,
    compiled as a loop; it must divide their number.
    """

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """All kinds of step that occur."""
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
    """Rounds of synthesis, each of which adds a batch to the buffer and is followed by student updates.

    This is the schedule of the Fast family and of SSD-KD. A round begins with new latents and targets, makes
    `synthesis_updates` updates, and ends by adding its best batch to the buffer; each of these is a step, and so is
    each of the `student_updates` that follow. The first epoch starts with the warm-up rounds, which fill the buffer
    without student updates in between. All epochs have equally many steps, so the first has fewer ordinary rounds, the
    last of which may be cut short.

    Args:
        epochs: Integer. Epochs of the whole training. Defaults to 200.
        rounds_per_epoch: Integer. Rounds per epoch. Defaults to 1, as in the authors' code of Fast.
        warmup_rounds: Integer. Rounds before the first one that is followed by student updates; may be 0. Defaults
            to 20.
        synthesis_updates: Integer. Updates of the latents and the generator in a round. Defaults to 2.
        student_updates: Integer. Student updates after a round. Defaults to 400.
        updates_per_step: Integer. Synthesis updates that make one step, compiled as a loop; must divide
            `synthesis_updates`. Defaults to 1.

    Raises:
        InvalidInputError: If a count is below 1, or the warm-up leaves the first epoch no step for the student.

    Example:
        >>> dk.schedules.Rounds(epochs=10, rounds_per_epoch=4, warmup_rounds=4, student_updates=30).total_updates()
        UpdateCounts(synthesis=88, student=1184)
    """

    epochs: int = 200
    rounds_per_epoch: int = 1
    warmup_rounds: int = 20
    synthesis_updates: int = 2
    student_updates: int = 400
    updates_per_step: int = 1

    stages = (0, 1)  # the warm-up is in the first epoch

    def __post_init__(self):
        counts = dataclasses.asdict(self)
        check_counts("Rounds", minimum=0, warmup_rounds=counts.pop("warmup_rounds"))
        check_counts("Rounds", **counts)
        self._check_updates_per_step()
        needed = self._warmup_steps + len(self._round) + 1
        if needed > self.steps_per_epoch:
            raise InvalidInputError(
                f"Rounds.warmup_rounds={self.warmup_rounds} and one more take {needed} steps, but an epoch has only "
                f"{self.steps_per_epoch}: raise rounds_per_epoch to {-(-needed // self._steps_per_round)}, or lower "
                "warmup_rounds."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch: the beginnings, synthesis updates and ends of its rounds, and the student updates."""
        return self.rounds_per_epoch * self._steps_per_round

    def rounds_in(self, epochs: int) -> int:
        """Returns the number of rounds in the first `epochs` epochs, including the warm-up."""
        full, rest = divmod(self.steps_per_epoch - self._warmup_steps, self._steps_per_round)
        return self.warmup_rounds + full + (rest > len(self._round)) + (epochs - 1) * self.rounds_per_epoch

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does, see `Schedule.step_kind`."""
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
    """Fills the buffer by rounds of synthesis first, and then trains the student on its images, as ZSKD does.

    Args:
        synthesis_epochs: Integer. Epochs of rounds. Defaults to 20.
        rounds_per_epoch: Integer. Rounds per epoch. Defaults to 20.
        synthesis_updates: Integer. Updates in a round. Defaults to 1500.
        student_epochs: Integer. Epochs of one student update per step, which follow. Defaults to 500.
        updates_per_step: Integer. Synthesis updates that make one step, compiled as a loop; must divide
            `synthesis_updates`. Defaults to 100.

    Raises:
        InvalidInputError: If a count is below 1, or `updates_per_step` does not divide `synthesis_updates`.

    Example:
        >>> dk.schedules.RoundsFirst(synthesis_epochs=2, rounds_per_epoch=5, student_epochs=1).rounds
        10
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
        """Epochs of the whole training."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def stages(self) -> tuple[int, ...]:
        """The epochs that begin a stage."""
        return (0, self.synthesis_epochs)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch: the beginnings, synthesis updates and ends of its rounds, or as many student updates."""
        return self.rounds_per_epoch * len(self._round)

    def rounds_in(self, epochs: int) -> int:
        """Returns the number of rounds in the first `epochs` epochs."""
        return min(epochs, self.synthesis_epochs) * self.rounds_per_epoch

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does, see `Schedule.step_kind`."""
        return self._round[step % len(self._round)] if epoch < self.synthesis_epochs else StepKind(0, 1)


@dataclasses.dataclass(frozen=True)
class RoundEveryStep(Schedule):
    """Adds a batch of images that need no updates to the buffer in every step, and then trains the student on some.

    Every step is a round: for synthesizers that have nothing to train, but whose images the student should see more
    than once, such as `ProceduralImages`.

    Args:
        epochs: Integer. Epochs of the whole training. Defaults to 100.
        student_updates: Integer. Student updates per step, which is how often an image is seen on average before a
            buffer of first in, first out gives it up. Defaults to 4.
        steps_per_epoch: Integer. Steps per epoch. Defaults to 30.

    Raises:
        InvalidInputError: If a count is below 1.

    Example:
        >>> dk.schedules.RoundEveryStep(epochs=10, student_updates=4, steps_per_epoch=30).total_updates()
        UpdateCounts(synthesis=0, student=1200)
    """

    epochs: int = 100
    student_updates: int = 4
    steps_per_epoch: int = 30

    stages = (0,)

    def __post_init__(self):
        check_counts("RoundEveryStep", **dataclasses.asdict(self))

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """All kinds of step that occur."""
        return (StepKind(0, self.student_updates, begins_round=True, ends_round=True),)

    def rounds_in(self, epochs: int) -> int:
        """Returns the number of rounds in the first `epochs` epochs."""
        return epochs * self.steps_per_epoch

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does, see `Schedule.step_kind`."""
        return self.kinds[0]
