"""Where the student's images come from."""

import dataclasses
from typing import Any

from dfkd_keras.serialization import Configured
from dfkd_keras.teacher import Teacher


@dataclasses.dataclass(frozen=True)
class FreshSamples(Configured):
    """No memory: every student update sees newly synthesised images.

    Args:
        training: whether the generator normalises by the batch's own statistics (DAFL, DFAD) or, the default, by its
            moving ones (RDSKD).
    """

    training: bool = False

    def sample(self, synthesizer: Any, latents: Any, teacher: Teacher) -> Any:
        """Returns images `[B, H, W, C]` in normalised space for latents `[B, Z]`."""
        return synthesizer.sample(latents, teacher, training=self.training)
