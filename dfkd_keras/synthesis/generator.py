"""Images from a generator that is trained step by step."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.backend.gradient import minimize
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.synthesizer import SynthesisContext, Synthesizer, seen_classes
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import same_shape
from dfkd_keras.utils.errors import InvalidInputError


class GeneratorSynthesizer(Synthesizer):
    """Trains a generator against the frozen teacher (and the student, where a term needs it).

    Args:
        generator: a built Keras model, latents `[B, Z]` to images `[B, H, W, C]`.
        objective: what the generator minimizes.
        output_space: the space its images are in: "normalized" (default; the generators of RDSKD and DAFL) or "unit"
            (generators that end in a sigmoid).
    """

    provides = frozenset({"latents"})

    def __init__(self, generator: keras.Model, objective: Objective, output_space: Space = "normalized"):
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
        self.optimizer_state.track(optimizer, self.generator.trainable_variables)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if generator, objective, teacher and batch size do not fit together.
        """
        made, wanted = self.image_shape(teacher), teacher.image_shape
        if not same_shape(made, wanted):
            raise InvalidInputError(
                f"the generator makes images of shape {made}, but the teacher {teacher.model.name!r} takes {wanted}: "
                "build the generator with the teacher's image_shape."
            )
        super().prepare(teacher, batch_size)

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images `[B, H, W, C]` in normalized space from latents `[B, Z]`."""
        images = ops.cast(self.generator(latents, training=training), "float32")
        return teacher.normalization.convert(images, self.output_space, "normalized")

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the generator, for the draws' latents; see `Synthesizer.update`."""

        def loss_fn():
            images = self.sample(draws.latents, context.teacher, training=True)
            loss, values, batch = self._evaluate(images, context, latents=draws.latents)
            return loss, (values, batch)

        loss, (values, batch) = minimize(loss_fn, self.generator.trainable_variables, self.optimizer)
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Makes a batch for the memory.

        Returns:
            Unit images `[B, H, W, C]`, and the class the teacher sees in each, int32 `[B]`, or in each of
            its pixels, `[B, H, W]`.
        """
        self._count_round()
        unit_images = teacher.normalization.convert(self.sample(draws.latents, teacher), "normalized", "unit")
        return gather(unit_images), gather(seen_classes(unit_images, teacher))
