"""Real images in place of synthetic ones: the baseline with data that data-free methods are compared with."""

from typing import Any

import keras
from keras import ops

from dfkd_keras.data import ImageDataset
from dfkd_keras.images import to_unit
from dfkd_keras.objectives.objective import NoObjective
from dfkd_keras.schedules.noise import normal_to_uniform
from dfkd_keras.synthesis.synthesizer import Synthesizer
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_kinds, same_shape
from dfkd_keras.utils.errors import InvalidInputError


class RealImages(Synthesizer):
    """Draws the student's images from real training images, with replacement.

    This is distillation with data, an upper bound for data-free methods. There is nothing to train, so that it needs a
    schedule without synthesis, `TwoStage(synthesis_epochs=0)`, and `FreshSamples`.

    Args:
        data: `ImageDataset`. Its "train" split is drawn from; the labels are not used.

    Raises:
        InvalidInputError: If `data` is no `ImageDataset`.
    """

    synthesizes = False
    trains = False
    latent_dim = 1  # picks the image

    def __init__(self, data: ImageDataset):
        super().__init__(NoObjective())
        check_kinds("RealImages", ImageDataset, data=data)
        self.data = data

    def image_shape(self, teacher: Teacher) -> tuple[int, int, int]:
        """Returns height, width and channels of the data set's images."""
        return tuple(self.data.image_shape)

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Stores the optimizer, which has nothing to train."""
        self.optimizer_state.track(optimizer, [])

    def prepare(self, teacher: Teacher, batch_size: int) -> None:
        """Loads the images and checks that the teacher takes their shape; see `Synthesizer.prepare`."""
        if not same_shape(self.data.image_shape, teacher.image_shape):
            raise InvalidInputError(
                f"RealImages.data={self.data.name!r} has images of shape {self.data.image_shape}, but the teacher "
                f"{teacher.model.name!r} takes {teacher.image_shape}: choose the task's data."
            )
        super().prepare(teacher, batch_size)
        self.images = ops.convert_to_tensor(self.data.load("train").images)

    def sample(self, latents: Any, teacher: Teacher, training: bool = False) -> Any:
        """Draws real images.

        Args:
            latents: Float tensor `[B, 1]`, standard normal, which picks the images.
            teacher: `Teacher`. Unused.
            training: Boolean. Unused.

        Returns:
            Unit images `[B, H, W, C]` in [0, 1].
        """
        uniform = normal_to_uniform(latents[:, 0])
        count = self.images.shape[0]
        chosen = ops.clip(ops.cast(uniform * count, "int32"), 0, count - 1)
        return to_unit(ops.take(self.images, chosen, axis=0))
