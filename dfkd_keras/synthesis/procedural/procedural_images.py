"""Procedural images as a synthesizer: images that nobody trained for, drawn anew for every update."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend.distribution import gather
from dfkd_keras.objectives.objective import NoObjective
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import predicted_labels
from dfkd_keras.synthesis.procedural.dead_leaves import DeadLeaves
from dfkd_keras.synthesis.procedural.family import ImageFamily, Shapes, count, split
from dfkd_keras.synthesis.procedural.mixture import BLEND_SHAPES, TONE_SHAPES, blend, change_tones
from dfkd_keras.synthesis.procedural.noise_pyramids import NoisePyramids
from dfkd_keras.synthesis.procedural.spectra import Spectra
from dfkd_keras.synthesis.procedural.strokes import Strokes
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_lists
from dfkd_keras.utils.errors import InvalidInputError


class ProceduralImages(Synthesizer):
    """Draws textures, shapes and strokes that owe nothing to the teacher, and mixtures of them.

    Each family draws an equal part of every batch; then half of the images are blended with another one, and all get a
    random tone (see `blend` and `change_tones`). The images cost no gradient and ask of the teacher nothing but its
    outputs. There is nothing to train, so that it needs a schedule without synthesis updates: `RoundEveryStep` with a
    `ReplayBuffer`, whose `LargestClassFirst` balances the classes that the teacher gives the images, or
    `TwoStage(synthesis_epochs=0)` with `FreshSamples`.

    Args:
        families: Sequence of `ImageFamily`. Defaults to `NoisePyramids()`, `DeadLeaves()`, `Spectra()` and `Strokes()`.

    Attributes:
        latent_dim: Integer. Length Z of a latent vector, which depends on the teacher's image shape; None before
            `prepare`.

    Raises:
        InvalidInputError: If there is no family, or one is not an `ImageFamily`.

    Example:
        >>> synthesizer = ProceduralImages([DeadLeaves(), Strokes(max_strokes=6)])
        >>> distiller = dk.DataFreeDistiller(teacher, student, synthesizer, schedule=dk.schedules.TwoStage(0, 20))
    """

    trains = False
    latent_dim = None  # depends on the size of the teacher's images; set by prepare

    def __init__(self, families: Sequence[ImageFamily] | None = None):
        super().__init__(NoObjective())
        default = (NoisePyramids(), DeadLeaves(), Spectra(), Strokes())
        self.families = default if families is None else families
        check_lists("ProceduralImages", ImageFamily, families=self.families)
        if not self.families:
            raise InvalidInputError(
                "ProceduralImages.families=[] must be one or more families, such as [DeadLeaves(), Strokes()]."
            )

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Stores the optimizer, which has nothing to train."""
        self.optimizer_state.track(optimizer, [])

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Checks that the teacher's image shape is known; see `Synthesizer.prepare`."""
        if None in teacher.image_shape:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} takes images of any size, {teacher.image_shape}: say in "
                "Teacher.image_shape which size to synthesize."
            )
        super().prepare(teacher, batch_size)
        self.latent_dim = count(self._latent_shapes(teacher.image_shape))

    def end_round(self, draws: Draws, teacher: Teacher) -> tuple[Any, Any]:
        """Draws the images of a round; see `Synthesizer.end_round`."""
        self._count_round()
        images = self.sample(draws.latents, teacher)
        return gather(images), gather(predicted_labels(images, teacher))

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Draws images, each family an equal part of the batch.

        Args:
            latents: Float tensor `[B, Z]`, standard normal.
            teacher: `Teacher`. Its image shape is that of the images.
            training: Boolean. Unused.

        Returns:
            Unit images `[B, H, W, C]` in [0, 1].
        """
        image_shape = teacher.image_shape
        latents = split(latents, self._latent_shapes(image_shape))
        batch_size, parts = ops.shape(latents["family"])[0], len(self.families)
        bounds = [part * batch_size // parts for part in range(parts + 1)]
        shares = [latents["family"][start:stop] for start, stop in itertools.pairwise(bounds)]
        drawn = [family(share, image_shape) for family, share in zip(self.families, shares, strict=True)]
        images = blend(ops.concatenate(drawn), **split(latents["blending"], BLEND_SHAPES))
        return change_tones(images, **split(latents["tone"], TONE_SHAPES))

    def _latent_shapes(self, image_shape: tuple[int, int, int]) -> Shapes:
        """Returns the shapes of the parts of a latent; that of the family has room for the one that takes most."""
        family = max(family.latent_dim(image_shape) for family in self.families)
        return {"blending": (count(BLEND_SHAPES),), "tone": (count(TONE_SHAPES),), "family": (family,)}
