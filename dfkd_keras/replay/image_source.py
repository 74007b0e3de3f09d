"""The base class of where the student's images come from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dfkd_keras.replay.batch import ReplayBatch
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.serialization import Configured


class ImageSource(Configured):
    """Where the student's images come from.

    A subclass implements `sample` and `preview`, and if it keeps images also `prepare`, `add`, `stored`, `written`,
    `class_counts` and `capacity`. State that training depends on must be in variables, for which the subclass is a
    `Component` too.

    Class attributes:
        keeps_images: Boolean. Whether images are kept from one update to the next, so that it requires a schedule of
            rounds, whose batches `add` receives.
        grows: Boolean. Whether its capacity follows from the schedule, so that it cannot be trained beyond it.
        has_priorities: Boolean. Whether `sample` weights each image, so that the distillation loss must have a value
            per image.
        names: Sequence of strings. Names of the values that `update` returns, which are logged.
        class_counts: Integer Keras variable `[K]` of how many images (of a segmenter: pixels) of each class are kept;
            None if none are kept.
        capacity: Integer. Number of images that can be kept. Defaults to 0.
        stored: Integer. Number of images that are kept at present.
        written: Integer Keras variable of how many images were added since training began; None if none are kept.
    """

    keeps_images: bool = False
    grows: bool = False
    has_priorities: bool = False
    names: Sequence[str] = ()
    class_counts: Any = None
    capacity: int = 0
    stored: int = 0
    written: Any = None

    @property
    def empty(self) -> bool:
        """Whether there is no image to draw yet."""
        return self.keeps_images and self.stored == 0

    def prepare(self, teacher: Teacher, batch_size: int, rounds: int) -> None:
        """Creates the variables. Called once before training.

        Args:
            teacher: `Teacher`. Its image shape, number of classes, and whether it is a segmenter are used.
            batch_size: Integer. Images per call of `add` and `sample`.
            rounds: Integer. Rounds of synthesis of the whole training, which is the number of calls of `add`.

        Raises:
            InvalidInputError: If the images do not fit.
        """

    def add(self, images: Any, labels: Any) -> Any:
        """Adds the images of a round.

        Args:
            images: Float tensor `[B, H, W, C]`. Unit images, which are clipped to [0, 1].
            labels: int32 tensor `[B]` of the class that the teacher predicts for each image, or `[B, H, W]` for each of
                its pixels.

        Returns:
            Integer tensor `[B]`. The images' positions.
        """
        raise NotImplementedError

    def sample(self, draws: Draws, synthesizer: Any, teacher: Teacher) -> ReplayBatch:
        """Draws or makes a batch for one student update.

        Args:
            draws: `Draws`. Random numbers of the update.
            synthesizer: `Synthesizer`. Makes images, if new ones are wanted.
            teacher: `Teacher`. The frozen teacher.

        Returns:
            The `ReplayBatch`, whose images are unit images.
        """
        raise NotImplementedError

    def update(self, batch: ReplayBatch, teacher_logits: Any, student_logits: Any) -> dict[str, Any]:
        """Called after every student update, with the logits of the forward pass that trained the student.

        Args:
            batch: `ReplayBatch`. The batch of the update.
            teacher_logits: Float tensor `[B, K]` or `[B, H, W, K]`, of all replicas.
            student_logits: Float tensor of the same shape.

        Returns:
            A dictionary of scalars to log, by the names in `names`.
        """
        return {}

    def invalid_value(self, name: str, value: float) -> str:
        """Returns the error message for a value of `update` that is not finite.

        Args:
            name: String. One of `names`.
            value: Float. The value.
        """
        return f"{type(self).__name__} gave the {name} {value}: it must be finite."

    def effective_sample_size(self) -> float | None:
        """Returns the number of images that sampling amounts to; None, the default, if that is not known.

        It is `1 / sum_i P_i^2` for the probabilities P_i of the images, and for equal ones the number of images.
        """
        return None

    def preview(self, count: int, distiller: Any) -> np.ndarray:
        """Returns some images for inspection, always the same ones for the same state.

        Args:
            count: Integer. Number of images; fewer are returned if fewer are kept.
            distiller: `DataFreeDistiller` whose images are wanted.

        Returns:
            Float32 array `[count, H, W, C]`. Unit images in [0, 1].
        """
        raise NotImplementedError
