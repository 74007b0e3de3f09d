"""No memory: the student sees every image once."""

import dataclasses
from typing import Any

import numpy as np

from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.serialization import Configured


@dataclasses.dataclass(frozen=True)
class FreshSamples(Configured):
    """No memory: every student update sees newly synthesized images.

    Args:
        training: whether the generator normalizes by the batch's own statistics (DAFL, DFAD) or, the default, by its
            moving ones (RDSKD).
    """

    training: bool = False

    names = ()
    class_counts = None
    keeps_images = False
    grows = False
    empty = False
    has_priorities = False

    def prepare(self, teacher: Teacher, batch_size: int, rounds: int) -> None:
        """There is nothing to make room for."""

    def sample(self, draws: Draws, synthesizer: Any, teacher: Teacher) -> ReplayBatch:
        """Synthesizes a batch."""
        return ReplayBatch(synthesizer.sample(draws.latents, teacher, training=self.training))

    def update(self, batch: ReplayBatch, teacher_logits: Any, student_logits: Any) -> dict[str, Any]:
        """Learns nothing from how the student did."""
        return {}

    def preview(self, count: int, distiller: Any) -> np.ndarray:
        """Returns unit images `[count, H, W, C]` for inspection, made of noise that is always the same."""
        shape = (count, distiller.synthesizer.latent_dim)
        latents = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        at_a_time = evaluation_batch_size(distiller.synthesizer.image_shape(distiller.teacher))
        batches = [latents[start : start + at_a_time] for start in range(0, count, at_a_time)]
        return np.concatenate([np.asarray(distiller.synthesize(batch)) for batch in batches])
