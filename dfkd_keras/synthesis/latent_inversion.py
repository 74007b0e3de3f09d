"""Images from latents and a generator that are optimized anew, together, in every round."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.augmentation import RandomCropFlip, RandomResizedCropFlip
from dfkd_keras.backend.distribution import gather, local_shard
from dfkd_keras.backend.gradient import differentiate
from dfkd_keras.backend.state import INTEGER, OptimizerState
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.optimizers import check_resettable, set_total_updates
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.best_batch import BestBatch
from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.meta_learning import ContinuedLearning, LearningOverRounds
from dfkd_keras.synthesis.synthesizer import SynthesisContext, seen_classes
from dfkd_keras.teacher.hooks import flat_layers
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError


class LatentInversion(GeneratorSynthesizer):
    """Inverts the teacher by rounds: latents and generator are moved towards images of random target classes.

    A round draws latents and targets, takes some updates of both, and gives the batch of the lowest loss: Fast (Fang et
    al., AAAI 2022) after CMI (Fang et al., IJCAI 2021). The images of a step are those from before its update. The
    generator always normalizes by the batch's own statistics.

    Args:
        generator: a built Keras model, latents `[B, Z]` to images `[B, H, W, C]`.
        objective: what a round minimizes.
        latent_optimizer: moves the latents, fresh in every round.
        learning: how the generator learns over the rounds; `ContinuedLearning()` by default (plain Fast).
        augment: applied to the images before the networks see them; nothing by default.
        second_view: makes another view of each image, for a term that compares the two.
        output_space: the space of the generator's images, "unit" (default) or "normalized".
        reset_at_round: the number of the round, from 0, before which the generator's first dense layer and first
            BatchNorm start over, once; None for never. 139 in Fast's official code.
    """

    works_by_rounds = True
    teaches_terms = True

    def __init__(
        self,
        generator: keras.Model,
        objective: Objective,
        latent_optimizer: keras.optimizers.Optimizer,
        learning: LearningOverRounds | None = None,
        augment: RandomCropFlip | None = None,
        second_view: RandomResizedCropFlip | None = None,
        output_space: Space = "unit",
        reset_at_round: int | None = None,
    ):
        super().__init__(generator, objective, output_space)
        check_resettable(latent_optimizer, "the latent optimizer")
        self.latent_optimizer, self.learning = latent_optimizer, learning or ContinuedLearning()
        self.augment, self.second_view, self.reset_at_round = augment, second_view, reset_at_round
        self.latent_optimizer_state, self.best = OptimizerState(), BestBatch()
        self.seeds = keras.random.SeedGenerator()

    @property
    def provides(self) -> frozenset[str]:
        """What terms may need of it."""
        return frozenset({"labels", "latents", *(("second_view",) if self.second_view else ())})

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer that `compile` set."""
        return self.learning.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers it works with, that of `compile` first."""
        return [*self.learning.optimizers, self.latent_optimizer, *self.objective.optimizers]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the generator: of its steps, or with meta-learning of its one step a round.

        Raises:
            ValueError: for an optimizer that is used elsewhere too.
        """
        optimizer = self._without_scaling(optimizer)
        used = [optimizer, *self.optimizers[1:]]
        if len({id(each) for each in used}) < len(used):
            raise InvalidInputError(
                f"the same {optimizer.name!r} object has two parts in LatentInversion: give each its own."
            )
        self.learning.compile(optimizer, self.generator.trainable_variables)

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Tells the optimizer's schedule, if it wants to know, that it makes one step in each of `rounds` rounds."""
        return set_total_updates(self.optimizer, rounds)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if generator, objective, teacher and batch size do not fit together.
        """
        super().prepare(teacher, batch_size)
        self.latents = self.state("latents", (batch_size, self.latent_dim), "float32")
        self.labels = self.state("labels", (batch_size,), INTEGER)
        self.best.prepare((batch_size, *teacher.image_shape))
        self.latent_optimizer_state.track(self.latent_optimizer, [self.latents])
        self.learning.prepare(self.generator.trainable_variables)
        if self.reset_at_round is not None:
            self._first_layers()

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Starts over with the draws' latents and labels."""
        self.latents.assign(draws.gathered.latents)
        self.labels.assign(draws.gathered.labels)
        self.best.clear()
        self.latent_optimizer_state.reset()
        if self.reset_at_round is not None:
            self._reset_first_layers(ops.equal(self.rounds.value, self.reset_at_round))
        self.learning.begin_round(self.generator.trainable_variables)

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on latents and generator and keeps the batch if it is the best so far, as in `Synthesizer`."""
        labels, convert = local_shard(self.labels.value), context.teacher.normalization.convert

        def loss_fn():
            latents = local_shard(self.latents.value)
            images = convert(ops.cast(self.generator(latents, training=True), "float32"), self.output_space, "unit")

            def view(augment):
                return convert(augment(images, draws.augmentation) if augment else images, "unit", "normalized")

            known = {"latents": latents, "labels": labels}
            if "second_view" in self.objective.needs:
                known["second_sample_means"] = context.teacher(view(self.second_view)).sample_means
            loss, values, batch = self._evaluate(view(self.augment), context, **known)
            return loss, (values, batch, gather(images))

        of_generator, of_terms = self.generator.trainable_variables, self.objective.learned_variables
        groups = [*of_generator, self.latents, *of_terms]
        loss, (values, batch, images), gradients = differentiate(loss_fn, groups, self.loss_scaling.scale)
        gradients = self.loss_scaling.unscaled(gradients)
        self.best.update(loss, images)
        self.learning.update(gradients[: len(of_generator)], of_generator)
        self.latent_optimizer.apply([gradients[len(of_generator)]], [self.latents])
        self.objective.learn(gradients[len(of_generator) + 1 :])
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Ends the round.

        Returns:
            The unit images `[B, H, W, C]` of its lowest loss, and the class the teacher sees in each, int32
            `[B]`, or in each of its pixels, `[B, H, W]`.
        """
        self.learning.end_round(self.generator.trainable_variables)
        self._count_round()
        images = ops.copy(self.best.images.value)
        return images, gather(seen_classes(local_shard(images), teacher))

    def sample(self, latents: Any, teacher: Teacher, training: bool = True) -> Any:
        """Makes images `[B, H, W, C]` in normalized space from latents `[B, Z]`; `training` has no effect."""
        return super().sample(latents, teacher, training=True)

    def _reset_first_layers(self, due: Any) -> None:
        """Gives the first dense layer and the first BatchNorm N(0, 0.02) weights and zero offsets, if that is due."""
        for layer in self._first_layers():
            weight, *offsets = layer.trainable_variables
            fresh = keras.random.normal(weight.shape, stddev=0.02, seed=self.seeds)
            weight.assign(ops.where(due, fresh, weight.value))
            for offset in offsets:
                offset.assign(ops.where(due, 0.0, offset.value))

    def _first_layers(self) -> list[keras.layers.Layer]:
        layers, wanted = flat_layers(self.generator), (keras.layers.Dense, keras.layers.BatchNormalization)
        found = [[layer for layer in layers if isinstance(layer, kind)] for kind in wanted]
        if not all(found):
            raise InvalidInputError(
                f"LatentInversion.reset_at_round={self.reset_at_round}: the generator {self.generator.name!r} has no "
                "dense or no BatchNorm layer to reset; use None."
            )
        return [layers_of_kind[0] for layers_of_kind in found]
