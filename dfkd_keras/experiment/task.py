"""What is distilled: a data set to evaluate on, a teacher and a student."""

import dataclasses
from collections.abc import Callable

import keras

from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.metrics import IGNORED
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import same_shape
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Task:
    """A data set, a teacher and a student.

    Args:
        name: of the task, as in the run directory's name.
        data: evaluated on; a teacher without a file is trained on it.
        teacher: makes the teacher.
        student: makes the untrained student.
        test_images: evaluates on the first so many test images; None for all.
    """

    name: str
    data: ImageDataset
    teacher: Callable[[], Teacher]
    student: Callable[[], keras.Model]
    test_images: int | None = None

    def test_split(self) -> Split:
        """Returns the real images to evaluate on; ValueError if they are masks without anything to count."""
        images, labels = (part[: self.test_images] for part in self.data.load("test"))
        if self.data.masks and (labels == IGNORED).all():
            raise InvalidInputError(
                f"no pixel of the {len(labels)} test images of task {self.name!r} is of a class: check the labels that "
                "its data ignore, or take more by Task.test_images."
            )
        return Split(images, labels)

    def check(self, teacher: Teacher) -> None:
        """Raises ValueError if the teacher does not fit the data."""
        if teacher.num_classes != self.data.num_classes:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} has {teacher.num_classes} outputs, but task {self.name!r} has "
                f"{self.data.num_classes} classes: choose a teacher of this task in Teacher.path."
            )
        if not same_shape(teacher.image_shape, self.data.image_shape):
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} takes images of shape {teacher.image_shape}, but task {self.name!r} "
                f"has {self.data.image_shape}: choose a teacher of this task in Teacher.path."
            )
        wanted = (*self.data.image_shape[:2], self.data.num_classes) if self.data.masks else (self.data.num_classes,)
        if teacher.logits_shape != wanted and None not in teacher.image_shape:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} gives logits {teacher.logits_shape} for an image, but task "
                f"{self.name!r} asks for {wanted}: choose a teacher of this task in Teacher.path."
            )
