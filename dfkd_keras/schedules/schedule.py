"""Which updates every training step makes: the base class of schedules, and the two without rounds."""

import dataclasses
import itertools
from typing import Any, ClassVar, NamedTuple

from dfkd_keras.utils.checks import check_counts, check_flags
from dfkd_keras.utils.serialization import Configured


class StepKind(NamedTuple):
    """What one training step does, in this order. Each kind of step is compiled once.

    Attributes:
        synthesis: Integer. Number of updates of the synthesizer.
        student: Integer. Number of updates of the student, made last.
        begins_round: Boolean. Whether a round of synthesis begins before the updates.
        ends_round: Boolean. Whether a round of synthesis ends between the updates of the synthesizer and those of the
            student, which adds its images to the replay buffer.
        shared_latents: Boolean. Whether the student updates share one batch, synthesized from the latents of the first
            synthesis update.
    """

    synthesis: int
    student: int
    begins_round: bool = False
    ends_round: bool = False
    shared_latents: bool = False

    @property
    def draws(self) -> int:
        """The number of updates that get random draws of their own."""
        return max(1, self.synthesis + self.student)

    @property
    def is_round(self) -> bool:
        """Whether the step is a whole round, which takes one batch of latents."""
        return self.begins_round and self.ends_round


SKIPPED = StepKind(0, 0)  # a step that was made before training was resumed


class Position(NamedTuple):
    """The training step being made.

    Attributes:
        epoch: Integer. Index of the epoch, from 0.
        step: Integer. Index of the step within the epoch, from 0.
        kind: A `StepKind`. What the step does; `SKIPPED` for one that was made before training was resumed.
    """

    epoch: int
    step: int
    kind: StepKind


class UpdateCounts(NamedTuple):
    """Numbers of updates.

    Attributes:
        synthesis: Integer. Updates of the synthesizer.
        student: Integer. Updates of the student.
    """

    synthesis: int
    student: int

    def __add__(self, other: "UpdateCounts") -> "UpdateCounts":
        return UpdateCounts(self.synthesis + other.synthesis, self.student + other.student)

    def __mul__(self, times: int) -> "UpdateCounts":
        return UpdateCounts(self.synthesis * times, self.student * times)


class Schedule(Configured):
    """Base class of schedules: which updates every step of the training makes.

    A subclass is a frozen dataclass that has the attributes `epochs` (epochs of the whole training) and
    `steps_per_epoch`, and implements `kinds` and `step_kind`. One that works by rounds implements `rounds_in` too.

    Class attributes:
        stages: Tuple of integers. The epochs that begin a stage, all of whose epochs make the same steps; the first is
            0. Defaults to None: every epoch may differ.
    """

    stages: ClassVar[tuple[int, ...] | None] = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "step_kind" in cls.__dict__ and "stages" not in cls.__dict__:
            cls.stages = None  # those that it inherits are of other steps

    @property
    def rounds(self) -> int:
        """The number of rounds of synthesis in the whole training; 0 for a schedule without rounds."""
        return self.rounds_in(self.epochs)

    def rounds_in(self, epochs: int) -> int:
        """Returns the number of rounds of synthesis in the first `epochs` epochs."""
        return 0

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """All kinds of step that occur."""
        raise NotImplementedError

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does.

        Args:
            epoch: Integer. Index of the epoch, from 0.
            step: Integer. Index of the step within the epoch, from 0.

        Returns:
            A `StepKind`.
        """
        raise NotImplementedError

    def position(self, step: int, steps_per_epoch: int | None = None) -> Position:
        """Returns the epoch, step and kind of the training's step number `step`.

        Args:
            step: Integer. Index of the step within the whole training, from 0.
            steps_per_epoch: Integer. Steps per epoch. Defaults to the schedule's own number.

        Returns:
            A `Position`.
        """
        epoch, within = divmod(step, self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch)
        return Position(epoch, within, self.step_kind(epoch, within))

    def updates_in_epoch(self, epoch: int, steps_per_epoch: int | None = None) -> UpdateCounts:
        """Returns the number of updates of each side in one epoch.

        Args:
            epoch: Integer. Index of the epoch, from 0.
            steps_per_epoch: Integer. Steps to count. Defaults to the schedule's own number.

        Returns:
            An `UpdateCounts`.
        """
        steps = self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
        kinds = [self.step_kind(epoch, step) for step in range(steps)]
        return UpdateCounts(sum(kind.synthesis for kind in kinds), sum(kind.student for kind in kinds))

    def total_updates(self, epochs: int | None = None, steps_per_epoch: int | None = None) -> UpdateCounts:
        """Returns the number of updates of each side in the first `epochs` epochs.

        Args:
            epochs: Integer. Number of epochs. Defaults to all of the schedule's.
            steps_per_epoch: Integer. Steps per epoch. Defaults to the schedule's own number.

        Returns:
            An `UpdateCounts`.
        """
        epochs = self.epochs if epochs is None else epochs
        starts = [start for start in self.stages or range(epochs) if start < epochs]
        lengths = [end - start for start, end in itertools.pairwise([*starts, epochs])]
        each = (self.updates_in_epoch(start, steps_per_epoch) for start in starts)
        return sum((updates * length for updates, length in zip(each, lengths, strict=True)), UpdateCounts(0, 0))

    def updates_after(self, steps: int) -> UpdateCounts:
        """Returns the number of updates of each side in the first `steps` steps of the training."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return self.total_updates(epochs) + self.updates_in_epoch(epochs, rest)


@dataclasses.dataclass(frozen=True)
class Alternating(Schedule):
    """Updates the synthesizer and then the student in every step, as DAFL and the adversarial methods do.

    Args:
        epochs: Integer. Epochs of the whole training. Defaults to 100.
        synthesis_updates: Integer. Synthesis updates per step, at least 1. Defaults to 1.
        student_updates: Integer. Student updates per step, at least 1. Defaults to 1.
        steps_per_epoch: Integer. Steps per epoch. Defaults to 120.
        shared_latents: Boolean. Whether all student updates of a step are made on one batch, synthesized from the
            latents of the first synthesis update (ZSKT), instead of a new batch each. Defaults to `False`.

    Raises:
        InvalidInputError: If a count is below 1, or `shared_latents` is no Boolean.

    Example:
        >>> dk.schedules.Alternating(epochs=10, student_updates=5, steps_per_epoch=60).total_updates()
        UpdateCounts(synthesis=600, student=3000)
    """

    epochs: int = 100
    synthesis_updates: int = 1
    student_updates: int = 1
    steps_per_epoch: int = 120
    shared_latents: bool = False

    stages = (0,)

    def __post_init__(self):
        counts = dataclasses.asdict(self)
        check_flags("Alternating", shared_latents=counts.pop("shared_latents"))
        check_counts("Alternating", **counts)

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """All kinds of step that occur."""
        return (StepKind(self.synthesis_updates, self.student_updates, shared_latents=self.shared_latents),)

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does, see `Schedule.step_kind`."""
        return self.kinds[0]


@dataclasses.dataclass(frozen=True)
class TwoStage(Schedule):
    """Trains the synthesizer first and then the student on the frozen synthesizer, as RDSKD does.

    Args:
        synthesis_epochs: Integer. Epochs of one synthesis update per step; 0 for a synthesizer that has nothing to
            train. Defaults to 20.
        student_epochs: Integer. Epochs of one student update per step, which follow. Defaults to 1000.
        steps_per_epoch: Integer. Steps per epoch. Defaults to 120.

    Raises:
        InvalidInputError: If `synthesis_epochs` is below 0, or another count below 1.

    Example:
        >>> dk.schedules.TwoStage(synthesis_epochs=5, student_epochs=20, steps_per_epoch=60).total_updates()
        UpdateCounts(synthesis=300, student=1200)
    """

    synthesis_epochs: int = 20
    student_epochs: int = 1000
    steps_per_epoch: int = 120

    def __post_init__(self):
        check_counts("TwoStage", minimum=0, synthesis_epochs=self.synthesis_epochs)
        check_counts("TwoStage", student_epochs=self.student_epochs, steps_per_epoch=self.steps_per_epoch)

    @property
    def epochs(self) -> int:
        """Epochs of the whole training."""
        return self.synthesis_epochs + self.student_epochs

    @property
    def stages(self) -> tuple[int, ...]:
        """The epochs that begin a stage."""
        return (0, self.synthesis_epochs) if self.synthesis_epochs else (0,)

    @property
    def kinds(self) -> tuple[StepKind, ...]:
        """All kinds of step that occur."""
        return (StepKind(1, 0), StepKind(0, 1)) if self.synthesis_epochs else (StepKind(0, 1),)

    def step_kind(self, epoch: int, step: int = 0) -> StepKind:
        """Returns what a step does, see `Schedule.step_kind`."""
        return self.kinds[0] if epoch < self.synthesis_epochs else self.kinds[-1]
