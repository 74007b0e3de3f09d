"""Images whose pixels are optimized themselves."""

import math
from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from dfkd_keras.backend.distribution import gather, local_shard
from dfkd_keras.backend.gradient import differentiate
from dfkd_keras.backend.state import INTEGER
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.optimizers.resetting import check_resettable
from dfkd_keras.schedules.noise import Draws, normal_to_uniform
from dfkd_keras.synthesis.best_batch import BestBatch
from dfkd_keras.synthesis.forward_batch import SynthesisContext, predicted_labels
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.synthesis.targets import RandomClasses, Targets
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_choices, check_functions, check_kinds, given
from dfkd_keras.utils.errors import InvalidInputError


class PixelInversion(Synthesizer):
    """Inverts the teacher by rounds: noise images are moved towards what the teacher is to predict for them.

    A round draws first images and targets, takes many updates of the pixels with a fresh optimizer, and returns the
    batch of the lowest loss, as it was before that update.

    Args:
        objective: `Objective`. What a round minimizes.
        targets: `Targets`. What the teacher is to predict. Defaults to `RandomClasses()`.
        jitter: Augmentation of the images before teacher and student get them, called as `jitter(images, uniforms)`.
            Defaults to None.
        output_space: String. Space in which the pixels are optimized: "normalized" starts from N(0, 1), "unit" from
            U(0, 1). Defaults to "normalized".
        bounds: String. "none" leaves the pixels free until they are stored, when they are clipped to [0, 1] in unit
            space; "clip" clips them so after every update; "rescale" maps the lowest and highest value of the batch to
            0 and 1 before every update, as ZSKD does. Defaults to "none".
        start: `Synthesizer` whose `sample` makes the images that a round starts from, such as `ProceduralImages()`,
            which takes fewer updates than noise. Defaults to None, noise.

    Raises:
        InvalidInputError: If `output_space` or `bounds` is unknown, bounds are "rescale" in normalized space, or
            `start` has to be trained itself, or an argument is of another kind.

    Reference:
        Nayak et al., "Zero-Shot Knowledge Distillation in Deep Networks" (ZSKD), ICML 2019; Yin et al., "Dreaming to
        Distill: Data-free Knowledge Transfer via DeepInversion", CVPR 2020.
    """

    works_by_rounds = True

    def __init__(
        self,
        objective: Objective,
        targets: Targets | None = None,
        jitter: Callable | None = None,
        output_space: Space = "normalized",
        bounds: Literal["none", "clip", "rescale"] = "none",
        start: Synthesizer | None = None,
    ):
        super().__init__(objective, output_space)
        check_kinds("PixelInversion", Targets, **given(targets=targets))
        check_functions("PixelInversion", **given(jitter=jitter))
        check_kinds("PixelInversion", Synthesizer, **given(start=start))
        check_choices("PixelInversion", ("none", "clip", "rescale"), bounds=bounds)
        if bounds == "rescale" and output_space != "unit":
            raise InvalidInputError("PixelInversion.bounds='rescale' makes unit images: set output_space='unit' too.")
        if start is not None and start.trains:
            raise InvalidInputError(
                f"PixelInversion.start={type(start).__name__} has to be trained itself: start from ProceduralImages, "
                "or from noise (None)."
            )
        self.targets, self.jitter, self.bounds, self.start = targets or RandomClasses(), jitter, bounds, start
        self.best = BestBatch()

    @property
    def provides(self) -> frozenset[str]:
        """Needs of terms that it can meet."""
        return frozenset({"labels", *(("soft_labels",) if self.targets.gives_soft_labels else ())})

    @property
    def latent_dim(self) -> int:
        """Random numbers that an image starts from: one for each of its values, or those of `start`."""
        return self.start.latent_dim if self.start else math.prod(self.images.shape[1:])

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the pixels, which is reset in every round.

        Args:
            optimizer: Keras optimizer.

        Raises:
            InvalidInputError: If the optimizer cannot be reset.
        """
        optimizer = self._without_scaling(optimizer)
        check_resettable(optimizer, "the synthesis optimizer under PixelInversion")
        self.optimizer_state.track(optimizer, [self.images])

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Returns False: the optimizer is reset in every round, and no schedule spans the training."""
        return False

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Checks that the parts fit together and creates the variables; see `Synthesizer.prepare`."""
        super().prepare(teacher, batch_size)
        self.targets.prepare(teacher)
        if self.start:
            self.start.prepare(teacher, batch_size)
        shape = (batch_size, *teacher.image_shape)
        self.images = self.state("images", shape)
        self.labels = self.state("labels", (batch_size,), INTEGER)
        self.soft_labels = self.state("soft_labels", (batch_size, teacher.num_classes))
        self.best.prepare(shape)

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Draws the first images and the targets, and resets the optimizer; see `Synthesizer.begin_round`."""
        draws = draws.gathered
        self.images.assign(self._first_images(draws.latents, teacher))
        draws = draws._replace(labels=ops.reshape(draws.labels, self.labels.shape))
        labels, soft_labels = self.targets.draw(draws, teacher)
        self.labels.assign(labels)
        if soft_labels is not None:
            self.soft_labels.assign(soft_labels)
        self.best.clear()
        self.optimizer_state.reset()

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the pixels and keeps the best batch so far; see `Synthesizer.update`."""
        teacher = context.teacher
        if self.bounds == "rescale":
            self.images.assign(_rescaled(self.images.value))

        def loss_fn():
            images = ops.copy(self.images.value)  # what is kept must not be the variable that the step changes
            unit = self.to_unit(local_shard(images), teacher)
            unit = self.jitter(unit, draws.augmentation) if self.jitter else unit
            known = {"latents": None, "labels": local_shard(self.labels.value)}
            if self.targets.gives_soft_labels:
                known["soft_labels"] = local_shard(self.soft_labels.value)
            loss, values, batch = self._evaluate(unit, context, **known)
            return loss, (values, batch, images)

        loss, (values, batch, images), gradients = differentiate(loss_fn, [self.images], self.loss_scaling.scale)
        self.optimizer.apply(self.loss_scaling.unscaled(gradients), [self.images])
        self.best.update(loss, images)
        if self.bounds == "clip":
            self.images.assign(self._clipped(self.images.value, teacher))
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Ends the round with the unit images of its lowest loss, clipped to [0, 1]; see `Synthesizer.end_round`."""
        self._count_round()
        images = self.to_unit(self.best.images.value, teacher)
        return ops.clip(images, 0.0, 1.0), gather(predicted_labels(local_shard(images), teacher))

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Raises `InvalidInputError`, since there is no generator that makes images from latents."""
        raise InvalidInputError(
            "PixelInversion cannot make images from latents: those of its rounds are in the ReplayBuffer."
        )

    def _first_images(self, latents: Any, teacher: Teacher) -> Any:
        """Returns images of the output space, which a round starts from."""
        if self.start:
            unit = self.start.sample(latents, teacher)
            return unit if self.output_space == "unit" else teacher.normalization.normalize(unit)
        noise = ops.reshape(latents, self.images.shape)
        return noise if self.output_space == "normalized" else normal_to_uniform(noise)

    def _clipped(self, images: Any, teacher: Teacher) -> Any:
        """Returns images of the output space, clipped to what is [0, 1] in unit space."""
        unit = ops.clip(self.to_unit(images, teacher), 0.0, 1.0)
        return unit if self.output_space == "unit" else teacher.normalization.normalize(unit)


def _rescaled(images: Any) -> Any:
    low, high = ops.min(images), ops.max(images)
    return (images - low) / ops.maximum(high - low, 1e-12)
