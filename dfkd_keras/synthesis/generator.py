"""Images from a generator that is trained step by step."""

from typing import Any, NamedTuple

import keras
from keras import ops

from dfkd_keras.checks import same_shape
from dfkd_keras.gradient import minimize
from dfkd_keras.images import Space
from dfkd_keras.noise import Draws
from dfkd_keras.objectives.batch import SyntheticBatch
from dfkd_keras.objectives.combining import Objective, Values
from dfkd_keras.optimizers import span
from dfkd_keras.serialization import Component, OptimizerState
from dfkd_keras.teacher import Teacher


class Surroundings(NamedTuple):
    """What a synthesizer may consult; it changes none of it.

    Attributes:
        teacher: the frozen teacher.
        student: used in inference mode, if a term needs it.
        class_counts: int32 `[K]`, how many images of each class the memory holds; None without a memory.
    """

    teacher: Teacher
    student: keras.Model
    class_counts: Any = None


class GeneratorSynthesizer(Component):
    """Trains a generator against the frozen teacher (and the student, where a term needs it).

    Args:
        generator: a built Keras model, latents `[B, Z]` to images `[B, H, W, C]`.
        objective: what the generator minimises.
        output_space: the space its images are in: "normalised" (default; the generators of RDSKD and DAFL) or "unit"
            (generators that end in a sigmoid).
    """

    def __init__(self, generator: keras.Model, objective: Objective, output_space: Space = "normalised"):
        super().__init__(name="synthesizer")
        self.generator, self.objective, self.output_space = generator, objective, output_space
        self.optimizer_state = OptimizerState()

    @property
    def latent_dim(self) -> int:
        """The length Z of a latent."""
        return self.generator.input_shape[-1]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the generator, in place of an earlier one."""
        self.optimizer_state.take(optimizer, self.generator.trainable_variables)

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer that `compile` set."""
        return self.optimizer_state.optimizer

    def span(self, updates: int, rounds: int) -> bool:
        """Tells the optimizer's schedule, if it wants to know, the length of the training; True if that is new to it.

        Args:
            updates: of the synthesizer in all.
            rounds: of synthesis in all, 0 if the schedule has none.
        """
        return span(self.optimizer, updates)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if generator, objective, teacher and batch size do not fit together.
        """
        self.objective.check_batch_size(batch_size)
        made, wanted = tuple(self.generator.output_shape[1:]), teacher.image_shape
        if not same_shape(made, wanted):
            raise ValueError(
                f"the generator makes images of shape {made}, but the teacher {teacher.model.name!r} takes {wanted}: "
                "build the generator with the teacher's image_shape."
            )
        teacher.provide(self.objective.needs)
        self.objective.prepare(teacher(ops.zeros((1, *made))))
        self.drop_variables()
        self.rounds = self.state("rounds", (), "int32")

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images `[B, H, W, C]` in normalised space from latents `[B, Z]`."""
        images = ops.cast(self.generator(latents, training=training), "float32")
        return teacher.normalisation.convert(images, self.output_space, "normalised")

    def open_round(self, draws: Draws) -> None:
        """There is nothing to begin anew."""

    def update(self, draws: Draws, around: Surroundings, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the generator.

        Args:
            draws: of which the latents are used.
            around: teacher, student and memory.
            update_in_epoch: the number of this update within the epoch, from 0.

        Returns:
            The loss, and the values of its terms by name, both from before the update.
        """

        def loss_fn():
            images = self.sample(draws.latents, around.teacher, training=True)
            loss, values, batch = self._evaluate(images, draws.latents, draws.labels, around)
            return loss, (values, batch)

        loss, (values, batch) = minimize(loss_fn, self.generator.trainable_variables, self.optimizer)
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def close_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Makes a batch for the memory.

        Returns:
            Unit images `[B, H, W, C]`, and the class the teacher sees in each, int32 `[B]`.
        """
        self._count_round()
        images = self.sample(draws.latents, teacher)
        return teacher.normalisation.convert(images, "normalised", "unit"), self._seen_classes(images, teacher)

    def _evaluate(
        self, images: Any, latents: Any, labels: Any, around: Surroundings
    ) -> tuple[Any, Values, SyntheticBatch]:
        known = {"latents": latents, "labels": labels, "round": self.rounds.value}
        batch = look_at(images, around, self.objective.needs, **known)
        return *self.objective.evaluate(batch), batch

    def _count_round(self) -> None:
        self.objective.close_round()
        self.rounds.assign(self.rounds.value + 1)

    def _seen_classes(self, images: Any, teacher: Teacher) -> Any:
        return ops.cast(ops.argmax(teacher(images).logits, axis=-1), "int32")


def look_at(images: Any, around: Surroundings, needs: frozenset[str], **known: Any) -> SyntheticBatch:
    """Returns what the networks make of images.

    Args:
        images: `[B, H, W, C]` in normalised space.
        around: teacher, student and memory.
        needs: what the terms need; all else is left out.
        **known: further attributes of the batch.
    """
    seen, student_logits = around.teacher(images), None
    if "student" in needs:
        student_logits = ops.cast(around.student(around.teacher.to_inputs(images), training=False), "float32")
    return SyntheticBatch(
        images=images,
        teacher_logits=seen.logits,
        teacher_features=seen.features,
        batch_statistics=seen.batch_statistics,
        student_logits=student_logits,
        class_counts=around.class_counts if "class_counts" in needs else None,
        **known,
    )
