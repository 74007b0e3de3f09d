"""The contract of a synthesizer, and what all of them share."""

from typing import Any, NamedTuple

import keras
from keras import ops

from dfkd_keras.backend.loss_scaling import LossScaling
from dfkd_keras.backend.state import INTEGER, Component, OptimizerState
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch, gather_batch
from dfkd_keras.optimizers import set_total_updates
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

OWN_NEEDS = {
    "labels": "the classes that images are made for (LatentInversion, PixelInversion)",
    "latents": "the latents of a generator's images",
    "second_view": "a second view of each image (LatentInversion.second_view)",
    "soft_labels": "soft labels (PixelInversion.targets, such as DirichletTargets)",
}


class SynthesisContext(NamedTuple):
    """What a synthesizer may consult; it changes none of it.

    Attributes:
        teacher: the frozen teacher.
        student: used in inference mode, if a term needs it.
        class_counts: integers `[K]`, how many images or pixels of each class the memory holds; None without a memory.
    """

    teacher: Teacher
    student: keras.Model
    class_counts: Any = None


class Synthesizer(Component):
    """Makes images out of what the teacher knows.

    A subclass has the attributes and members below. One that works by rounds begins each anew in `begin_round` and
    hands its images to the memory in `end_round`.

    Class attributes:
        works_by_rounds: whether its images come from rounds, so that it wants a memory and a schedule of rounds.
        trains: whether it has something to train; otherwise the schedule makes no updates of it.
        teaches_terms: whether it lets terms learn that have something to learn.
        provides: what terms may need of it, out of `OWN_NEEDS`.
    """

    works_by_rounds = False
    trains = True
    teaches_terms = False
    provides = frozenset()

    def __init__(self, objective: Objective, output_space: Space):
        super().__init__(name="synthesizer")
        self.objective, self.output_space = objective, output_space
        self.optimizer_state, self.loss_scaling = OptimizerState(), LossScaling()

    @property
    def latent_dim(self) -> int:
        """The length Z of a latent."""
        raise NotImplementedError

    def image_shape(self, teacher: Teacher) -> tuple[int, int, int]:
        """Returns height, width and channels of the images it makes."""
        return teacher.image_shape

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer that `compile` set."""
        return self.optimizer_state.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers it works with, that of `compile` first."""
        return [self.optimizer]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of what is updated, in place of an earlier one."""
        raise NotImplementedError

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Tells the optimizer's schedule, if it wants to know, the length of the training; True if that is new to it.

        Args:
            updates: of the synthesizer in all.
            rounds: of synthesis in all, 0 if the schedule has none.
        """
        return set_total_updates(self.optimizer, updates)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if objective, teacher and batch size do not fit together.
        """
        self.objective.check_batch_size(batch_size)
        if missing := self.objective.needs & OWN_NEEDS.keys() - self.provides:
            described = ", ".join(OWN_NEEDS[need] for need in sorted(missing))
            raise InvalidInputError(f"a term needs {described}, which this {type(self).__name__} does not have.")
        teacher.record(self.objective.needs)
        self.objective.prepare(teacher(ops.zeros((1, *self.image_shape(teacher)))), batch_size)
        if self.objective.learned_variables and not self.teaches_terms:
            raise InvalidInputError(f"a term learns, which {type(self).__name__} does not see to: use LatentInversion.")
        self.drop_variables()
        self.rounds = self.state("rounds", (), INTEGER)

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Begins anew."""

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step.

        Args:
            draws: what of chance it may use.
            context: teacher, student and memory.
            update_in_epoch: the number of this update within the epoch, from 0.

        Returns:
            The loss, and the values of its terms by name, both from before the update.
        """
        raise NotImplementedError

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Makes a batch for the memory.

        Returns:
            Unit images `[B, H, W, C]`, and the class the teacher sees in each, int32 `[B]`, or in each of
            its pixels, `[B, H, W]`.
        """
        raise NotImplementedError

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images `[B, H, W, C]` in normalized space from latents `[B, Z]`."""
        raise NotImplementedError

    def _without_scaling(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Returns the optimizer within one that scales losses, which the synthesizer then sees to itself."""
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        self.loss_scaling.enable(inner is not optimizer)
        return inner

    def _evaluate(self, images: Any, context: SynthesisContext, **known: Any) -> tuple[Any, Values, SyntheticBatch]:
        batch = forward_batch(images, context, self.objective.needs, round=self.rounds.value, **known)
        return *self.objective.evaluate(batch), batch

    def _count_round(self) -> None:
        self.objective.end_round()
        self.rounds.assign(self.rounds.value + 1)


def forward_batch(images: Any, context: SynthesisContext, needs: frozenset[str], **known: Any) -> SyntheticBatch:
    """Returns what the networks make of images, and on several replicas of those of all of them.

    Args:
        images: `[B, H, W, C]` in normalized space.
        context: teacher, student and memory.
        needs: what the terms need; all else is left out.
        **known: further attributes of the batch.
    """
    seen, student_logits = context.teacher(images), None
    if context.teacher.is_segmenter:
        known["labels"] = None  # one class for an image says nothing of its pixels
    if "student" in needs:
        student_logits = ops.cast(context.student(context.teacher.to_inputs(images), training=False), "float32")
    part = SyntheticBatch(
        images=images,
        teacher_logits=seen.logits,
        teacher_features=seen.features if "features" in needs else None,
        batch_statistics=seen.batch_statistics,
        sample_means=seen.sample_means,
        student_logits=student_logits,
        class_counts=context.class_counts if "class_counts" in needs else None,
        **known,
    )
    return gather_batch(part)


def seen_classes(unit_images: Any, teacher: Teacher) -> Any:
    """Returns the class the teacher sees in images `[B, H, W, C]`, clipped to [0, 1]: int32 `[B]` or `[B, H, W]`."""
    images = teacher.normalization.convert(ops.clip(unit_images, 0.0, 1.0), "unit", "normalized")
    return ops.cast(ops.argmax(teacher(images).logits, axis=-1), "int32")
