"""The random draws of training as a function of (seed, step): what `fit()` is fed with."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.schedules.schedule import StepKind


class Draws(NamedTuple):
    """What one update may use of chance.

    Attributes:
        latents: standard normal `[B, Z]`; `[B, 0]` within a round.
        labels: target classes, uniform int32 `[B]`.
        selection: uniform in [0, 1) `[B]`, which picks images from the memory.
        augmentation: uniform in [0, 1) `[B, 8]`; the classes of `augmentation.py` say which of them they use.
    """

    latents: Any
    labels: Any
    selection: Any
    augmentation: Any

    @classmethod
    def of_update(cls, data: dict[str, Any], index: Any) -> "Draws":
        """Returns the draws of the step's update number `index` from an element of `NoiseStream`."""
        latents = data["latents"]
        if len(latents.shape) == 3:
            latents = ops.take(latents, index, axis=1)
        return cls(latents, *(ops.take(data[name], index, axis=1) for name in cls._fields[1:]))

    @property
    def gathered(self) -> "Draws":
        """The draws of all replicas, of which each has its share."""
        return Draws(*map(gather, self))


class NoiseStream(keras.utils.PyDataset):
    """An endless data set of `Draws`, each step's drawn from `(seed, step)` alone.

    Beside them it tells in `updates_before` how many synthesis updates the epoch has made. A resumed run sees exactly
    the noise of an uninterrupted one, both backends see the same, and `tf.distribute` gives every replica its own
    share.

    Args:
        batch_size: images per update.
        kind: tells the kind of a step; each of its updates has draws of its own.
        latent_dim: the length Z of a latent.
        num_classes: labels are drawn from so many classes.
        steps_per_epoch: steps after which the count within the epoch starts again.
        seed: non-negative integer.
        first_step: tells, when the first element is drawn, which step of the whole training comes first.
        by_rounds: whether latents, `[B, Z]` then, are those of a round, drawn at its opening alone.
    """

    def __init__(
        self,
        batch_size: int,
        kind: Callable[[int], StepKind],
        latent_dim: int,
        num_classes: int,
        steps_per_epoch: int,
        seed: int = 0,
        first_step: Callable[[], int] = lambda: 0,
        by_rounds: bool = False,
    ):
        super().__init__()
        self.batch_size, self.kind, self.latent_dim, self.num_classes = batch_size, kind, latent_dim, num_classes
        self.steps_per_epoch, self.seed, self.first_step = steps_per_epoch, seed, first_step
        self.by_rounds, self._starts = by_rounds, {}

    @property
    def num_batches(self) -> None:
        """Endless."""
        return None

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        step = self.first_step() + index
        generator = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], dtype=np.uint64)))
        kind = self.kind(step)
        shape = (self.batch_size, kind.draws)
        latents = (*shape, self.latent_dim)
        if self.by_rounds:
            latents = (self.batch_size, self.latent_dim if kind.begins_round else 0)
        draws = Draws(
            latents=generator.standard_normal(latents, dtype=np.float32),
            labels=generator.integers(self.num_classes, size=shape, dtype=np.int32),
            selection=generator.random(shape, dtype=np.float32),
            augmentation=generator.random((*shape, 8), dtype=np.float32),
        )
        # One copy per sample, because a strategy shards the first axis of everything.
        return {**draws._asdict(), "updates_before": np.full(self.batch_size, self._updates_before(step), np.int32)}

    def _updates_before(self, step: int) -> int:
        """Returns how many synthesis updates the epoch makes before this step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch not in self._starts:
            kinds = [self.kind(epoch * self.steps_per_epoch + index) for index in range(self.steps_per_epoch)]
            self._starts = {epoch: np.cumsum([0, *(kind.synthesis for kind in kinds)])}
        return self._starts[epoch][place]
