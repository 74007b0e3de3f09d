"""Images from a generator that is trained step by step."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.checks import same_shape
from dfkd_keras.distribution import gather
from dfkd_keras.gradient import minimize
from dfkd_keras.images import Space
from dfkd_keras.noise import Draws
from dfkd_keras.objectives.combining import Objective, Values
from dfkd_keras.synthesis.synthesizer import Surroundings, Synthesizer, seen_classes
from dfkd_keras.teacher import Teacher


class GeneratorSynthesizer(Synthesizer):
    """Trains a generator against the frozen teacher (and the student, where a term needs it).

    Args:
        generator: a built Keras model, latents `[B, Z]` to images `[B, H, W, C]`.
        objective: what the generator minimises.
        output_space: the space its images are in: "normalised" (default; the generators of RDSKD and DAFL) or "unit"
            (generators that end in a sigmoid).
    """

    provides = frozenset({"latents"})

    def __init__(self, generator: keras.Model, objective: Objective, output_space: Space = "normalised"):
        super().__init__(objective, output_space)
        self.generator = generator

    @property
    def latent_dim(self) -> int:
        """The length Z of a latent."""
        return self.generator.input_shape[-1]

    def image_shape(self, teacher: Teacher) -> tuple[int, int, int]:
        """Returns height, width and channels of the images it makes."""
        return tuple(self.generator.output_shape[1:])

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the generator, in place of an earlier one."""
        self.optimizer_state.take(optimizer, self.generator.trainable_variables)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if generator, objective, teacher and batch size do not fit together.
        """
        made, wanted = self.image_shape(teacher), teacher.image_shape
        if not same_shape(made, wanted):
            raise ValueError(
                f"the generator makes images of shape {made}, but the teacher {teacher.model.name!r} takes {wanted}: "
                "build the generator with the teacher's image_shape."
            )
        super().prepare(teacher, batch_size)

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images `[B, H, W, C]` in normalised space from latents `[B, Z]`."""
        images = ops.cast(self.generator(latents, training=training), "float32")
        return teacher.normalisation.convert(images, self.output_space, "normalised")

    def update(self, draws: Draws, around: Surroundings, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the generator, for the draws' latents; see `Synthesizer.update`."""

        def loss_fn():
            images = self.sample(draws.latents, around.teacher, training=True)
            loss, values, batch = self._evaluate(images, around, latents=draws.latents)
            return loss, (values, batch)

        loss, (values, batch) = minimize(loss_fn, self.generator.trainable_variables, self.optimizer)
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def close_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Makes a batch for the memory.

        Returns:
            Unit images `[B, H, W, C]`, and the class the teacher sees in each, int32 `[B]`, or in each of
            its pixels, `[B, H, W]`.
        """
        self._count_round()
        unit_images = teacher.normalisation.convert(self.sample(draws.latents, teacher), "normalised", "unit")
        return gather(unit_images), gather(seen_classes(unit_images, teacher))
