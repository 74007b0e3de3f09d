"""A task: the data set to evaluate on, the teacher and the student."""

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
        name: String. Name of the task, for the run directory and the results.
        data: `ImageDataset`. The data that the student is evaluated on, and that a recipe trains the teacher on.
        teacher: Callable without arguments. Returns the `Teacher`.
        student: Callable without arguments. Returns the untrained student, a Keras model.
        test_images: Integer. Evaluates on the first test images only. Defaults to None, all.
    """

    name: str
    data: ImageDataset
    teacher: Callable[[], Teacher]
    student: Callable[[], keras.Model]
    test_images: int | None = None

    def test_split(self) -> Split:
        """Returns the real images to evaluate on.

        Raises:
            InvalidInputError: If they are masks and no pixel belongs to a class.
        """
        images, labels = (part[: self.test_images] for part in self.data.load("test"))
        if self.data.masks and (labels == IGNORED).all():
            raise InvalidInputError(
                f"no pixel of the {len(labels)} test images of task {self.name!r} belongs to a class: check the "
                "ignored labels of its data, or raise Task.test_images."
            )
        return Split(images, labels)

    def check(self, teacher: Teacher) -> None:
        """Raises `InvalidInputError` if the teacher does not fit the data."""
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
        expected = (self.data.num_classes,)
        if self.data.masks:
            expected = (*self.data.image_shape[:2], *expected)
        if teacher.logits_shape != expected and None not in teacher.image_shape:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} returns logits of shape {teacher.logits_shape} for an image, but task "
                f"{self.name!r} needs {expected}: choose a teacher of this task in Teacher.path."
            )
