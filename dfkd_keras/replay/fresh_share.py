"""New images in a part of every batch that is drawn from a replay buffer."""

from typing import Any

import numpy as np
from keras import ops

from dfkd_keras.backend.distribution import replicas
from dfkd_keras.backend.state import Component
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_fractions, check_kinds, check_positive
from dfkd_keras.utils.errors import InvalidInputError


class FreshShare(Component):
    """Replaces a part of every batch of a replay buffer by images that are made anew.

    A generator's images are few and resemble each other for a while; procedural images cost next to nothing and never
    repeat. The student learns from both at once. The replaced images of the buffer keep their priorities.

    Args:
        synthesizer: `Synthesizer` that has nothing to train, such as `ProceduralImages()`.
        share: Float in (0, 1). Of the images of a batch, rounded down. Defaults to 0.5.

    Raises:
        InvalidInputError: If the synthesizer is of another kind or has something to train, or the share is not between
            0 and 1.

    Reference:
        Ours: neither SSD-KD nor Fast mixes images of two sources.

    Example:
        >>> fresh = dk.replay.FreshShare(dk.synthesis.ProceduralImages(), share=0.5)
        >>> replay = dk.replay.ReplayBuffer(5000, fresh=fresh)
    """

    def __init__(self, synthesizer: Synthesizer, share: float = 0.5):
        super().__init__(name="fresh_share")
        check_kinds("FreshShare", Synthesizer, synthesizer=synthesizer)
        check_positive("FreshShare", share=share)
        check_fractions("FreshShare", share=share)
        if synthesizer.trains:
            raise InvalidInputError(
                f"FreshShare.synthesizer={type(synthesizer).__name__} has to be trained: use one that makes images at "
                "once, such as ProceduralImages()."
            )
        self.synthesizer, self.share = synthesizer, share

    @property
    def latent_dim(self) -> int:
        """Integer. Random numbers per image, after `prepare`."""
        return self.synthesizer.latent_dim

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Prepares the synthesizer and settles which images of a batch are replaced.

        Args:
            teacher: `Teacher`. The shape of its images is used.
            batch_size: Integer. Images of a student update, of all replicas.

        Raises:
            InvalidInputError: If the share of a replica's images is none.
        """
        self.synthesizer.prepare(teacher, batch_size)
        local = batch_size // replicas()
        self.count = int(round(self.share * local, 6))
        if not self.count:
            raise InvalidInputError(
                f"FreshShare.share={self.share} of {local} images is less than one: raise it or batch_size."
            )
        self.replaced = np.tile(np.arange(local) < self.count, replicas())

    def mixed(self, batch: ReplayBatch, latents: Any, teacher: Teacher) -> ReplayBatch:
        """Returns a batch whose first images, on each replica, are new ones.

        Args:
            batch: `ReplayBatch`, of the buffer alone.
            latents: Float tensor `[B, Z]`, standard normal.
            teacher: `Teacher`. The frozen teacher.
        """
        fresh = self.synthesizer.sample(latents[: self.count], teacher)
        images = ops.concatenate([fresh, batch.images[self.count :]])
        weights = batch.weights if batch.weights is None else ops.where(self.replaced, 1.0, batch.weights)
        return batch._replace(images=images, weights=weights)
