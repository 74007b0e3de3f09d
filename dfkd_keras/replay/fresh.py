"""Newly synthesized images for every student update, without a replay buffer."""

import dataclasses
from typing import Any

import numpy as np

from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.replay.image_source import ImageSource
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_flags


@dataclasses.dataclass(frozen=True)
class FreshSamples(ImageSource):
    """Synthesizes new images for every student update and keeps none (RDSKD, DAFL, DFAD, ZSKT).

    Args:
        training: Boolean. Whether the generator's BatchNorm layers use the statistics of the batch, as in DAFL and
            DFAD, or their moving averages, as in RDSKD. Defaults to False.

    Raises:
        InvalidInputError: If `training` is no Boolean.
    """

    training: bool = False

    def __post_init__(self):
        check_flags("FreshSamples", training=self.training)

    def sample(self, draws: Draws, synthesizer: Any, teacher: Teacher) -> ReplayBatch:
        """Synthesizes a batch from the latents of the draws; see `ImageSource.sample`."""
        return ReplayBatch(synthesizer.sample(draws.latents, teacher, training=self.training))

    def preview(self, count: int, distiller: Any) -> np.ndarray:
        """Synthesizes images from latents that are always the same; see `ImageSource.preview`."""
        shape = (count, distiller.synthesizer.latent_dim)
        latents = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        batch_size = evaluation_batch_size(distiller.synthesizer.image_shape(distiller.teacher))
        batches = [latents[start : start + batch_size] for start in range(0, count, batch_size)]
        return np.concatenate([np.asarray(distiller.synthesize(batch)) for batch in batches])
