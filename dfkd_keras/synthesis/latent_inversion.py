"""Images from latents and a generator that are optimized together, round by round."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import gather, local_shard, of_first_replica
from dfkd_keras.backend.gradient import differentiate, with_own_losses
from dfkd_keras.backend.state import INTEGER, OptimizerState
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.optimizers.rates import set_total_updates
from dfkd_keras.optimizers.resetting import check_resettable
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.best_batch import BestBatch
from dfkd_keras.synthesis.forward_batch import SynthesisContext, predicted_labels
from dfkd_keras.synthesis.generator import GeneratorSynthesizer
from dfkd_keras.synthesis.generator_learning import ContinuedLearning, GeneratorLearning
from dfkd_keras.synthesis.latents import FreeLatents, Latents
from dfkd_keras.synthesis.targets import RandomClasses, Targets
from dfkd_keras.teacher.hooks import layers_in_order
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_functions, check_kinds, given
from dfkd_keras.utils.errors import InvalidInputError


class LatentInversion(GeneratorSynthesizer):
    """Inverts the teacher by rounds: latents and generator are moved towards images of random target classes.

    A round draws latents and targets, takes some updates of latents and generator, and returns the batch of the lowest
    loss, as it was before that update. The generator always normalizes by the batch's own statistics.

    Args:
        generator: Keras model, built, from latents `[B, Z]` to images `[B, H, W, C]`.
        objective: `Objective`. What a round minimizes.
        latent_optimizer: Keras optimizer of the latents, reset in every round.
        learning: `GeneratorLearning`. How the generator learns from one round to the next. Defaults to
            `ContinuedLearning()`, plain Fast.
        latents: `Latents`. Where the latents come from. Defaults to `FreeLatents()`, which are optimized themselves.
        targets: `Targets`. The classes that images are made for. Defaults to `RandomClasses()`.
        augment: Augmentation of the images before teacher and student get them, called as `augment(images, uniforms)`.
            Defaults to None.
        second_view: Augmentation that makes a second view of each image, for `ContrastiveDiversity`. Defaults to None.
        output_space: String. Space of the generator's images, "unit" or "normalized". Defaults to "unit".
        reset_at_round: Integer. Number of the round, from 0, at whose beginning the generator's first dense layer and
            first BatchNorm are initialized anew, once; 139 in Fast's official code. Defaults to None, for never.

    Raises:
        InvalidInputError: If `latent_optimizer` cannot be reset, `output_space` is unknown, or an argument is of
            another kind.

    Reference:
        Fang et al., "Up to 100x Faster Data-free Knowledge Distillation" (Fast), AAAI 2022, after "Contrastive Model
        Inversion for Data-Free Knowledge Distillation" (CMI), IJCAI 2021.
    """

    works_by_rounds = True
    trains_terms = True

    def __init__(
        self,
        generator: keras.Model,
        objective: Objective,
        latent_optimizer: keras.optimizers.Optimizer,
        learning: GeneratorLearning | None = None,
        latents: Latents | None = None,
        targets: Targets | None = None,
        augment: Callable | None = None,
        second_view: Callable | None = None,
        output_space: Space = "unit",
        reset_at_round: int | None = None,
    ):
        super().__init__(generator, objective, output_space)
        check_kinds("LatentInversion", keras.optimizers.Optimizer, latent_optimizer=latent_optimizer)
        check_resettable(latent_optimizer, "the latent optimizer")
        check_kinds("LatentInversion", GeneratorLearning, **given(learning=learning))
        check_kinds("LatentInversion", Latents, **given(latents=latents))
        check_kinds("LatentInversion", Targets, **given(targets=targets))
        check_functions("LatentInversion", **given(augment=augment, second_view=second_view))
        check_counts("LatentInversion", minimum=0, **given(reset_at_round=reset_at_round))
        self.latent_optimizer, self.learning = latent_optimizer, learning or ContinuedLearning()
        self.latents, self.targets = latents or FreeLatents(), targets or RandomClasses()
        self.augment, self.second_view, self.reset_at_round = augment, second_view, reset_at_round
        self.latent_optimizer_state, self.best = OptimizerState(), BestBatch()
        self.seeds = keras.random.SeedGenerator()

    @property
    def provides(self) -> frozenset[str]:
        """Needs of terms that it can meet."""
        return frozenset({"labels", "latents", *(("second_view",) if self.second_view else ())})

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """Optimizer that was given to `compile`."""
        return self.learning.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers in use, that of `compile` first."""
        return [*self.learning.optimizers, self.latent_optimizer, *self.objective.optimizers]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the generator.

        Args:
            optimizer: Keras optimizer of the generator's updates, or with meta-learning of its one step per round.

        Raises:
            InvalidInputError: If the optimizer is also used for the latents or elsewhere in the synthesizer.
        """
        optimizer = self._without_scaling(optimizer)
        used = [optimizer, *self.optimizers[1:]]
        if len({id(each) for each in used}) < len(used):
            raise InvalidInputError(
                f"the same {optimizer.name!r} object has two parts in LatentInversion: give each its own."
            )
        self.learning.compile(optimizer, self.generator.trainable_variables)

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Tells the optimizer's schedule that it makes one step in each of `rounds` rounds; see `Synthesizer`."""
        return set_total_updates(self.optimizer, rounds)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Checks that the parts fit together and creates the variables; see `Synthesizer.prepare`."""
        super().prepare(teacher, batch_size)
        self.targets.prepare(teacher)
        self.latents.prepare(teacher, batch_size, self.latent_dim)
        self.labels = self.state("labels", (batch_size,), INTEGER)
        self.best.prepare((batch_size, *teacher.image_shape))
        self.latent_optimizer_state.track(self.latent_optimizer, self.latents.learned_variables)
        self.learning.prepare(self.generator.trainable_variables)
        if self.reset_at_round is not None:
            self._first_layers()

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Sets latents and labels and resets the latent optimizer; see `Synthesizer.begin_round`."""
        draws = draws.gathered
        draws = draws._replace(labels=ops.reshape(draws.labels, self.labels.shape))
        self.latents.begin_round(draws)
        self.labels.assign(self.targets.draw(draws, teacher)[0])
        self.best.clear()
        self.latent_optimizer_state.reset()
        if self.reset_at_round is not None:
            self._reset_first_layers(ops.equal(self.rounds.value, self.reset_at_round))
        self.learning.begin_round(self.generator.trainable_variables)

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on latents and generator and keeps the best batch so far; see `Synthesizer.update`."""
        labels, teacher = local_shard(self.labels.value), context.teacher

        def loss_fn():
            latents = local_shard(self.latents.of(self.labels.value))
            images = self.sample(latents, teacher)

            def view(augment):
                return augment(images, draws.augmentation) if augment else images

            known = {"latents": latents, "labels": labels}
            if "second_view" in self.objective.needs:
                known["second_sample_means"] = teacher(view(self.second_view)).sample_means
            loss, values, batch = self._evaluate(view(self.augment), context, **known)
            return with_own_losses(loss, self.generator), (loss, values, batch, gather(images))

        of_generator, of_latents = self.generator.trainable_variables, self.latents.learned_variables
        learned = [*of_generator, *of_latents, *self.objective.learned_variables]
        _, (loss, values, batch, images), gradients = differentiate(loss_fn, learned, self.loss_scaling.scale)
        gradients = iter(self.loss_scaling.unscaled(gradients))
        self.best.update(loss, images)
        self.learning.update([next(gradients) for _ in of_generator], of_generator)
        self.latent_optimizer.apply([next(gradients) for _ in of_latents], of_latents)
        self.objective.learn([*gradients])
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Ends the round with the unit images of its lowest loss; see `Synthesizer.end_round`."""
        self.learning.end_round(self.generator.trainable_variables)
        self._count_round()
        images = ops.copy(self.best.images.value)
        return images, gather(predicted_labels(local_shard(images), teacher))

    def sample(self, latents: Any, teacher: Teacher, training: bool = True) -> Any:
        """Returns unit images `[B, H, W, C]` for latents `[B, Z]`; `training` has no effect, as it is always True."""
        return super().sample(latents, teacher, training=True)

    def _reset_first_layers(self, due: Any) -> None:
        """Draws the weights of the generator's first layers from N(0, 0.02) and sets their offsets to 0, if `due`."""
        for layer in self._first_layers():
            weight, *offsets = layer.trainable_variables
            fresh = of_first_replica(keras.random.normal(weight.shape, stddev=0.02, seed=self.seeds))
            weight.assign(ops.where(due, fresh, weight.value))
            for offset in offsets:
                offset.assign(ops.where(due, 0.0, offset.value))

    def _first_layers(self) -> list[keras.layers.Layer]:
        layers, wanted = layers_in_order(self.generator), (keras.layers.Dense, keras.layers.BatchNormalization)
        found = [[layer for layer in layers if isinstance(layer, kind)] for kind in wanted]
        if not all(found):
            raise InvalidInputError(
                f"LatentInversion.reset_at_round={self.reset_at_round}: the generator {self.generator.name!r} has no "
                "dense or no BatchNorm layer to reset; use None."
            )
        return [layers_of_kind[0] for layers_of_kind in found]
