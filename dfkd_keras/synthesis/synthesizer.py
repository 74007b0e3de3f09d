"""The base class of all synthesizers."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.loss_scaling import LossScaling
from dfkd_keras.backend.state import INTEGER, Component, OptimizerState
from dfkd_keras.images import Space, check_space
from dfkd_keras.objectives.objective import Objective, Values
from dfkd_keras.objectives.synthetic_batch import SyntheticBatch
from dfkd_keras.optimizers.rates import set_total_updates
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext, forward_batch
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_kinds
from dfkd_keras.utils.errors import InvalidInputError

SYNTHESIZER_NEEDS = {
    "labels": "the classes that images are made for (LatentInversion, PixelInversion)",
    "latents": "the latents of a generator's images",
    "second_view": "a second view of each image (LatentInversion.second_view)",
    "soft_labels": "soft labels (PixelInversion.targets, such as DirichletTargets)",
}


class Synthesizer(Component):
    """Makes images out of what the teacher knows.

    A subclass implements `latent_dim`, `compile`, `update`, and `sample` or, if it works by rounds, `begin_round` and
    `end_round`. Images are unit images wherever they leave a synthesizer. Variables are made with `state` in
    `prepare`, after `super().prepare()`.

    Args:
        objective: `Objective`. What `update` minimizes.
        output_space: String, "unit" or "normalized". Space in which the subclass makes its images; `to_unit` converts
            from it. Defaults to "unit".

    Class attributes:
        works_by_rounds: Boolean. Whether its images come from rounds, so that it requires a replay buffer and a
            schedule of rounds.
        synthesizes: Boolean. Whether its images are synthetic ones.
        trains: Boolean. Whether it has something to train. Otherwise the schedule makes no synthesis updates.
        trains_terms: Boolean. Whether its `update` also trains the variables that terms themselves learn.
        provides: Frozenset of strings. The needs of terms that it can meet, out of `SYNTHESIZER_NEEDS`.

    Raises:
        InvalidInputError: If `objective` is no `Objective`, or `output_space` is unknown.
    """

    works_by_rounds = False
    synthesizes = True
    trains = True
    trains_terms = False
    provides = frozenset()

    def __init__(self, objective: Objective, output_space: Space = "unit"):
        super().__init__(name="synthesizer")
        check_kinds(type(self).__name__, Objective, objective=objective)
        check_space(f"{type(self).__name__}.output_space", output_space)
        self.objective, self.output_space = objective, output_space
        self.optimizer_state, self.loss_scaling = OptimizerState(), LossScaling()

    @property
    def latent_dim(self) -> int:
        """Length Z of a latent vector: random numbers per image."""
        raise NotImplementedError

    def image_shape(self, teacher: Teacher) -> tuple[int, int, int]:
        """Returns height, width and channels of the images. Defaults to those that the teacher takes."""
        return teacher.image_shape

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """Optimizer that was given to `compile`."""
        return self.optimizer_state.optimizer

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All optimizers in use, that of `compile` first."""
        return [self.optimizer]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Sets the optimizer of what `update` trains, in place of an earlier one."""
        raise NotImplementedError

    def set_total_updates(self, updates: int, rounds: int) -> bool:
        """Sets the length of the training in the optimizer's schedule, if the schedule depends on it.

        Args:
            updates: Integer. Synthesis updates of the whole training.
            rounds: Integer. Rounds of synthesis of the whole training; 0 if the schedule has none.

        Returns:
            True if this changed the schedule.
        """
        return set_total_updates(self.optimizer, updates)

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Checks that the parts fit together and creates the variables. Called once before training.

        Args:
            teacher: `Teacher`. The frozen teacher.
            batch_size: Integer. Images per update.

        Raises:
            InvalidInputError: If objective, teacher and batch size do not fit together.
        """
        self.objective.check_batch_size(batch_size)
        if missing := self.objective.needs & SYNTHESIZER_NEEDS.keys() - self.provides:
            described = ", ".join(SYNTHESIZER_NEEDS[need] for need in sorted(missing))
            raise InvalidInputError(f"a term needs {described}, which this {type(self).__name__} does not have.")
        teacher.record(self.objective.needs)
        self.objective.prepare(teacher(ops.zeros((1, *self.image_shape(teacher)))), batch_size)
        if self.objective.learned_variables and not self.trains_terms:
            raise InvalidInputError(
                f"a term has variables of its own, which {type(self).__name__} does not train: use LatentInversion."
            )
        self.drop_variables()
        self.rounds = self.state("rounds", (), INTEGER)

    def begin_round(self, draws: Draws, teacher: Teacher) -> None:
        """Begins a round, for synthesizers that work by rounds.

        Args:
            draws: `Draws`. Random numbers of the round.
            teacher: `Teacher`. The frozen teacher.
        """

    def update(self, draws: Draws, context: SynthesisContext, update_in_epoch: Any) -> tuple[Any, Values]:
        """Takes one optimizer step.

        Args:
            draws: `Draws`. Random numbers of the update.
            context: `SynthesisContext`. Teacher, student and class counts, none of which it changes.
            update_in_epoch: Integer tensor. Number of this update within the epoch, from 0.

        Returns:
            The loss, and a dictionary of the values of its terms by name, both from before the update.
        """
        raise NotImplementedError

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Ends a round and makes a batch for the replay buffer.

        Args:
            draws: `Draws`. Random numbers of the round.
            teacher: `Teacher`. The frozen teacher.

        Returns:
            Unit images `[B, H, W, C]`, and the class that the teacher predicts for each, int32 `[B]`, or for each of
            its pixels, `[B, H, W]`.
        """
        raise NotImplementedError

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Makes images from latents.

        Args:
            latents: Float tensor `[B, Z]`, standard normal.
            teacher: `Teacher`. The frozen teacher.
            training: Boolean. Whether a generator uses the statistics of the batch in its BatchNorm layers. Defaults to
                False.

        Returns:
            Unit images `[B, H, W, C]`, which may exceed [0, 1].
        """
        raise NotImplementedError

    def to_unit(self, images: Any, teacher: Teacher) -> Any:
        """Returns images `[B, H, W, C]` of the output space as unit images."""
        return images if self.output_space == "unit" else teacher.normalization.denormalize(images)

    def _without_scaling(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Returns the optimizer inside one that scales losses, which the synthesizer then does itself."""
        scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        self.loss_scaling.enable(scales)
        return optimizer.inner_optimizer if scales else optimizer

    def _evaluate(self, images: Any, context: SynthesisContext, **known: Any) -> tuple[Any, Values, SyntheticBatch]:
        batch = forward_batch(images, context, self.objective.needs, round=self.rounds.value, **known)
        return *self.objective.evaluate(batch), batch

    def _count_round(self) -> None:
        self.objective.end_round()
        self.rounds.assign(self.rounds.value + 1)
