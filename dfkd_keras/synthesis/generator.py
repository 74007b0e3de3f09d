"""Images from a generator that is trained step by step."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.checks import same_shape
from dfkd_keras.gradient import minimize
from dfkd_keras.images import Space
from dfkd_keras.objectives.batch import SyntheticBatch
from dfkd_keras.objectives.combining import Objective, Values
from dfkd_keras.serialization import Component, OptimizerState
from dfkd_keras.teacher import Teacher


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

    def check(self, teacher: Teacher, batch_size: int) -> None:
        """Raises ValueError if generator, objective, teacher and batch size do not fit together."""
        self.objective.check_batch_size(batch_size)
        made, wanted = tuple(self.generator.output_shape[1:]), teacher.image_shape
        if not same_shape(made, wanted):
            raise ValueError(
                f"the generator makes images of shape {made}, but the teacher {teacher.model.name!r} takes {wanted}: "
                "build the generator with the teacher's image_shape."
            )
        teacher.provide(self.objective.needs)

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images `[B, H, W, C]` in normalised space from latents `[B, Z]`."""
        images = ops.cast(self.generator(latents, training=training), "float32")
        return teacher.normalisation.convert(images, self.output_space, "normalised")

    def update(self, latents: Any, teacher: Teacher, student: keras.Model, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the generator.

        Args:
            latents: `[B, Z]`.
            teacher: the frozen teacher.
            student: consulted in inference mode if a term needs it; never changed.
            update_in_epoch: the number of this update within the epoch, from 0.

        Returns:
            The loss, and the values of its terms by name, both from before the update.
        """

        def loss_fn():
            images = self.sample(latents, teacher, training=True)
            return self.objective.evaluate(self.look_at(images, latents, teacher, student))

        optimizer = self.optimizer_state.optimizer
        loss, values = minimize(loss_fn, self.generator.trainable_variables, optimizer)
        self.objective.after_update(values, update_in_epoch)
        return loss, values

    def look_at(self, images: Any, latents: Any, teacher: Teacher, student: keras.Model) -> SyntheticBatch:
        """Returns what the networks make of images `[B, H, W, C]` in normalised space."""
        seen = teacher(images)
        student_logits = None
        if "student" in self.objective.needs:
            student_logits = ops.cast(student(teacher.to_inputs(images), training=False), "float32")
        return SyntheticBatch(images, latents, seen.logits, seen.features, seen.batch_statistics, student_logits)
