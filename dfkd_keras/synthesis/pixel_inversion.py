"""Images that are optimized themselves, pixel by pixel."""

import math
from typing import Any, Literal

import keras
from keras import ops

from dfkd_keras.augmentation import RollFlip
from dfkd_keras.backend.distribution import gather, local_shard
from dfkd_keras.backend.gradient import differentiate
from dfkd_keras.backend.state import INTEGER
from dfkd_keras.images import Space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.optimizers import check_resettable
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.best_batch import BestBatch
from dfkd_keras.synthesis.synthesizer import SynthesisContext, Synthesizer, seen_classes
from dfkd_keras.synthesis.targets import RandomClasses, Targets
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError


class PixelInversion(Synthesizer):
    """Inverts the teacher by rounds: a batch of noise images is moved towards what the teacher is to see in them.

    A round draws images and targets, takes many updates with a fresh optimizer, and gives the batch of the lowest loss,
    the loss being that from before an update. ZSKD (Nayak et al., ICML 2019) and DeepInversion (Yin et al., CVPR 2020).

    Args:
        objective: what a round minimizes.
        targets: what the teacher is to see; `RandomClasses()` by default.
        jitter: applied to the images before the networks see them; nothing by default.
        output_space: the space the images are optimized in. "normalized" (default): they start from N(0, 1). "unit":
            from U(0, 1).
        bounds: "none" (default) leaves the images free until they are stored, when they are clipped to [0, 1]; "clip"
            clips them after every update; "rescale" maps the batch's lowest and highest value to 0 and 1 before every
            update, as ZSKD does.

    Raises:
        ValueError: for unknown bounds, or "rescale" in normalized space.
    """

    works_by_rounds = True

    def __init__(
        self,
        objective: Objective,
        targets: Targets | None = None,
        jitter: RollFlip | None = None,
        output_space: Space = "normalized",
        bounds: Literal["none", "clip", "rescale"] = "none",
    ):
        super().__init__(objective, output_space)
        if bounds not in ("none", "clip", "rescale"):
            raise InvalidInputError(f"PixelInversion.bounds={bounds!r} must be 'none', 'clip' or 'rescale'.")
        if bounds == "rescale" and output_space != "unit":
            raise InvalidInputError("PixelInversion.bounds='rescale' makes unit images: set output_space='unit' too.")
        self.targets, self.jitter, self.bounds = targets or RandomClasses(), jitter, bounds
        self.best = BestBatch()

    @property
    def provides(self) -> frozenset[str]:
        """What terms may need of it."""
        return frozenset({"labels", *(("soft_labels",) if self.targets.gives_soft_labels else ())})

    @property
    def latent_dim(self) -> int:
        """How many random numbers an image starts from: its values."""
        return math.prod(self.images.shape[1:])

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of the images, fresh in every round.

        Raises:
            ValueError: for an optimizer that cannot start over.
        """
        optimizer = self._without_scaling(optimizer)
        check_resettable(optimizer, "the synthesis optimizer under PixelInversion")
        self.optimizer_state.track(optimizer, [self.images])

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Nothing spans the training: every round is a new one."""
        return False

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Makes ready for training.

        Raises:
            ValueError: if objective, targets, teacher and batch size do not fit together.
        """
        super().prepare(teacher, batch_size)
        self.targets.prepare(teacher)
        shape = (batch_size, *teacher.image_shape)
        self.images = self.state("images", shape)
        self.labels = self.state("labels", (batch_size,), INTEGER)
        self.soft_labels = self.state("soft_labels", (batch_size, teacher.num_classes))
        self.best.prepare(shape)

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Starts over from noise and new targets."""
        draws = draws.gathered
        noise = ops.reshape(draws.latents, self.images.shape)
        self.images.assign(noise if self.output_space == "normalized" else _uniform(noise))
        draws = draws._replace(labels=ops.reshape(draws.labels, self.labels.shape))
        labels, soft_labels = self.targets.draw(draws, teacher)
        self.labels.assign(labels)
        if soft_labels is not None:
            self.soft_labels.assign(soft_labels)
        self.best.clear()
        self.optimizer_state.reset()

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one step on the images and keeps them if they are the best so far; see `Synthesizer.update`."""
        convert = context.teacher.normalization.convert
        if self.bounds == "rescale":
            self.images.assign(_rescaled(self.images.value))

        def loss_fn():
            images = ops.copy(self.images.value)  # what is kept must not be the variable that the step changes
            own, targets = local_shard(images), {"labels": self.labels, "soft_labels": self.soft_labels}
            jittered = self.jitter(own, draws.augmentation) if self.jitter else own
            seen = convert(jittered, self.output_space, "normalized")
            known = {"latents": None, **{name: local_shard(target.value) for name, target in targets.items()}}
            loss, values, batch = self._evaluate(seen, context, **known)
            return loss, (values, batch, images)

        loss, (values, batch, images), gradients = differentiate(loss_fn, [self.images], self.loss_scaling.scale)
        self.optimizer.apply(self.loss_scaling.unscaled(gradients), [self.images])
        self.best.update(loss, images)
        if self.bounds == "clip":
            unit = ops.clip(convert(self.images.value, self.output_space, "unit"), 0.0, 1.0)
            self.images.assign(convert(unit, "unit", self.output_space))
        self.objective.after_update(batch, values, update_in_epoch)
        return loss, values

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Ends the round.

        Returns:
            The unit images `[B, H, W, C]` of its lowest loss, and the class the teacher sees in each, int32
            `[B]`, or in each of its pixels, `[B, H, W]`.
        """
        self._count_round()
        images = teacher.normalization.convert(self.best.images.value, self.output_space, "unit")
        return ops.clip(images, 0.0, 1.0), gather(seen_classes(local_shard(images), teacher))

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """There is no generator.

        Raises:
            ValueError: always.
        """
        raise InvalidInputError(
            "PixelInversion cannot make images from latents: those of its rounds are in the ReplayBuffer."
        )


def _uniform(normal: Any) -> Any:
    return 0.5 * (1.0 + ops.erf(normal / math.sqrt(2.0)))


def _rescaled(images: Any) -> Any:
    low, high = ops.min(images), ops.max(images)
    return (images - low) / ops.maximum(high - low, 1e-12)
