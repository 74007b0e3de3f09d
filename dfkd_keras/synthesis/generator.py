"""Images from a generator that is trained step by step."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.backend.gradient import minimize, with_own_losses
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext, predicted_labels
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_kinds, same_shape, shown
from dfkd_keras.utils.errors import InvalidInputError


class GeneratorSynthesizer(Synthesizer):
    """Trains a generator against the frozen teacher, and the student where a term needs it (RDSKD, DAFL, DFAD, ZSKT).

    Args:
        generator: Keras model, built, from latents `[B, Z]` to images `[B, H, W, C]`.
        objective: `Objective`. What the generator minimizes.
        output_space: String. Space of the generator's images: "normalized" for the generators of RDSKD and DAFL, "unit"
            for generators that end in a sigmoid. Defaults to "normalized".

    Raises:
        InvalidInputError: If `generator` is no built Keras model of these shapes, or has nothing to train.

    Example:
        >>> objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()])
        >>> synthesizer = GeneratorSynthesizer(dk.models.upsampling_generator(latent_dim=100), objective)
    """

    provides = frozenset({"latents"})

    def __init__(self, generator: keras.Model, objective: Objective, output_space: Space = "normalized"):
        super().__init__(objective, output_space)
        self.generator = generator
        self._check_generator()

    def _check_generator(self) -> None:
        owner, generator = type(self).__name__, self.generator
        check_kinds(owner, keras.Model, generator=generator)
        shapes = [getattr(generator, name, None) for name in ("input_shape", "output_shape")]
        if [len(shape or ()) for shape in shapes] != [2, 4]:
            raise InvalidInputError(
                f"{owner}.generator={shown(generator)} must map latents [B, Z] to images [B, H, W, C], but its shapes "
                f"are {shapes[0]} and {shapes[1]}: build it so."
            )
        if not generator.trainable_variables:
            raise InvalidInputError(
                f"{owner}.generator={shown(generator)} has no trainable weights, so that nothing would be learned: set "
                "trainable = True on it and its layers."
            )

    @property
    def latent_dim(self) -> int:
        """Length Z of a latent vector."""
        return self.generator.input_shape[-1]

    def image_shape(self, teacher: Teacher) -> tuple[int, int, int]:
        """Returns height, width and channels of the generator's images."""
        return tuple(self.generator.output_shape[1:])

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the generator, in place of an earlier one."""
        self.optimizer_state.track(optimizer, self.generator.trainable_variables)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Checks that generator, objective, teacher and batch size fit together; see `Synthesizer.prepare`."""
        made, wanted = self.image_shape(teacher), teacher.image_shape
        if not same_shape(made, wanted):
            raise InvalidInputError(
                f"the generator makes images of shape {made}, but the teacher {teacher.model.name!r} takes {wanted}: "
                "build the generator with the teacher's image_shape."
            )
        super().prepare(teacher, batch_size)

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Returns unit images `[B, H, W, C]` for latents `[B, Z]`; see `Synthesizer.sample`."""
        return self.to_unit(ops.cast(self.generator(latents, training=training), "float32"), teacher)

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the generator, for the latents of the draws; see `Synthesizer.update`."""

        def loss_fn():
            images = self.sample(draws.latents, context.teacher, training=True)
            loss, values, batch = self._evaluate(images, context, latents=draws.latents)
            return with_own_losses(loss, self.generator), (loss, values, batch)

        _, (loss, values, batch) = minimize(loss_fn, self.generator.trainable_variables, self.optimizer)
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Makes a batch from the latents of the draws for the replay buffer; see `Synthesizer.end_round`."""
        self._count_round()
        images = self.sample(draws.latents, teacher)
        return gather(images), gather(predicted_labels(images, teacher))
