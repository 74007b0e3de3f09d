"""The random draws of training as a function of (seed, step), which `fit()` takes for its data."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.schedules.schedule import Position, Schedule


def normal_to_uniform(normal: Any) -> Any:
    """Maps standard normal numbers to uniform ones in [0, 1]: the normal distribution's cumulative function."""
    return 0.5 * (1.0 + ops.erf(normal / math.sqrt(2.0)))


class Draws(NamedTuple):
    """The random draws of one update.

    Attributes:
        latents: Float tensor of shape `[B, Z]`. Standard normal; `[B, 0]` within a round.
        labels: Integer tensor of shape `[B]`. Target classes, uniformly distributed.
        selection: Float tensor of shape `[B]`. Uniform in [0, 1); selects images from the replay buffer.
        augmentation: Float tensor of shape `[B, 8]`. Uniform in [0, 1); the augmentation in use documents which of
            them it reads.
    """

    latents: Any
    labels: Any
    selection: Any
    augmentation: Any

    AUGMENTATION = 8  # numbers for each image

    @classmethod
    def of_update(cls, data: dict[str, Any], index: Any) -> "Draws":
        """Returns the draws of one update of a step.

        Args:
            data: Dictionary. An element of `NoiseStream`.
            index: Integer. Index of the update within the step, from 0.

        Returns:
            A `Draws`.
        """
        latents = data["latents"]
        if len(latents.shape) == 3:
            latents = ops.take(latents, index, axis=1)
        return cls(latents, *(ops.take(data[name], index, axis=1) for name in cls._fields[1:]))

    @property
    def gathered(self) -> "Draws":
        """The draws of all replicas, each of which has its share."""
        return Draws(*map(gather, self))


class NoiseStream(keras.utils.PyDataset):
    """An endless data set of `Draws`, those of each step a function of the seed and the step alone.

    A resumed run therefore gets exactly the noise of an uninterrupted one, both backends get the same noise, and
    `tf.distribute` gives every replica its own share. Beside the draws, an element holds in `updates_before` how many
    synthesis updates the epoch makes before the step.

    Args:
        schedule: A `Schedule`. Its steps decide how many updates need draws.
        batch_size: Integer. Images per update, B.
        latent_dim: Integer. Length of a latent, Z.
        num_classes: Integer. Number of classes that labels are drawn from.
        steps_per_epoch: Integer. Steps per epoch. Defaults to the schedule's own number.
        seed: Integer, at least 0. Defaults to 0.
        by_rounds: Boolean. Whether latents belong to a round: of shape `[B, Z]`, drawn at its beginning only. Defaults
            to `False`.

    Attributes:
        first_step: Integer. Index, within the whole training, of the step that the first element is for. To be set
            before the first element is read.
    """

    def __init__(
        self,
        schedule: Schedule,
        batch_size: int,
        latent_dim: int,
        num_classes: int,
        steps_per_epoch: int | None = None,
        seed: int = 0,
        by_rounds: bool = False,
    ):
        super().__init__()
        self.schedule, self.seed, self.by_rounds = schedule, seed, by_rounds
        self.batch_size, self.latent_dim, self.num_classes = batch_size, latent_dim, num_classes
        self.steps_per_epoch = schedule.steps_per_epoch if steps_per_epoch is None else steps_per_epoch
        self.first_step, self._updates_before_steps = 0, {}

    @property
    def num_batches(self) -> None:
        """`None`, because the stream is endless."""
        return None

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.element(self.schedule.position(self.first_step + index, self.steps_per_epoch))

    def element(self, position: Position) -> dict[str, np.ndarray]:
        """Returns the noise of one step.

        Args:
            position: A `Position`. The epoch, step and kind of the step.

        Returns:
            A dictionary of arrays of shape `[B, ...]`: the fields of `Draws`, each with an axis of updates behind the
            batch axis, and "updates_before".
        """
        key = np.array([self.seed, position.epoch * self.steps_per_epoch + position.step], dtype=np.uint64)
        generator, kind = np.random.Generator(np.random.Philox(key=key)), position.kind
        shape = (self.batch_size, kind.draws)
        latents = (*shape, self.latent_dim)
        if self.by_rounds or kind.is_round:
            latents = (self.batch_size, self.latent_dim if kind.begins_round else 0)
        draws = Draws(
            latents=generator.standard_normal(latents, dtype=np.float32),
            labels=generator.integers(self.num_classes, size=shape, dtype=np.int32),
            selection=generator.random(shape, dtype=np.float32),
            augmentation=generator.random((*shape, Draws.AUGMENTATION), dtype=np.float32),
        )
        # One copy per sample, because a strategy shards the first axis of everything.
        before = np.full(self.batch_size, self._updates_before(position.epoch)[position.step], np.int32)
        return {**draws._asdict(), "updates_before": before}

    def _updates_before(self, epoch: int) -> np.ndarray:
        """Returns how many synthesis updates the epoch makes before each of its steps."""
        if epoch not in self._updates_before_steps:
            updates = [self.schedule.step_kind(epoch, step).synthesis for step in range(self.steps_per_epoch)]
            self._updates_before_steps = {epoch: np.cumsum([0, *updates])}
        return self._updates_before_steps[epoch]
