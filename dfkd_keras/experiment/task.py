"""A task: the teacher, the student, and the data set to evaluate on if there is one."""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.metrics import IGNORED
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.checks import check_counts, check_factories, check_kinds, check_lists, given, same_shape
from dfkd_keras.utils.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Task:
    """A teacher, a student, and a data set if there is one.

    Args:
        name: String. Name of the task, for the run directory and the results.
        data: `ImageDataset`. The data that the student is evaluated on, and that a recipe trains the teacher on. None
            if there are none: the student is then evaluated by its agreement with the teacher on procedural images.
        teacher: Callable without arguments. Returns the `Teacher`.
        student: Callable without arguments. Returns the untrained student, a Keras model.
        class_names: Sequence of strings, one per class. Defaults to None, those of the data, or else numbers.
        test_images: Integer. Evaluates on the first test images only. Defaults to None, all.

    Raises:
        InvalidInputError: If an argument is of another kind, or `test_images` below 1.
    """

    name: str
    data: ImageDataset | None
    teacher: Callable[[], Teacher]
    student: Callable[[], keras.Model]
    test_images: int | None = None
    class_names: Sequence[str] | None = None

    def __post_init__(self):
        check_kinds("Task", str, name=self.name)
        check_kinds("Task", ImageDataset, **given(data=self.data))
        check_factories("Task", teacher=self.teacher, student=self.student)
        check_counts("Task", **given(test_images=self.test_images))
        check_lists("Task", str, **given(class_names=self.class_names))

    def names_of_classes(self, teacher: Teacher) -> tuple[str, ...]:
        """Returns a name for each class."""
        if self.class_names:
            return tuple(self.class_names)
        known = self.data.class_names if self.data else ()
        return known or tuple(map(str, range(teacher.num_classes)))

    def test_split(self) -> Split | None:
        """Returns the real images to evaluate on, None if there are none.

        Raises:
            InvalidInputError: If they are masks and no pixel belongs to a class.
        """
        if self.data is None:
            return None
        images, labels = (part if part is None else part[: self.test_images] for part in self.data.load("test"))
        if self.data.masks and (labels == IGNORED).all():
            raise InvalidInputError(
                f"no pixel of the {len(labels)} test images of task {self.name!r} belongs to a class: check the "
                "ignored labels of its data, or raise Task.test_images."
            )
        return Split(images, labels)

    def require_data(self, user: str) -> None:
        """Raises `InvalidInputError`, which names the user of the data, if there are none."""
        if self.data is None:
            raise InvalidInputError(f"{user} needs labeled images, but task {self.name!r} has none: set Task.data.")

    def check(self, teacher: Teacher) -> None:
        """Raises `InvalidInputError` if the teacher does not fit the data or the names of the classes."""
        if self.class_names and len(self.class_names) != teacher.num_classes:
            raise InvalidInputError(
                f"Task.class_names has {len(self.class_names)} names, but teacher {teacher.model.name!r} has "
                f"{teacher.num_classes} classes: give one name per class, in the order of its outputs."
            )
        if self.data is None:
            return
        if self.data.class_names and teacher.num_classes != self.data.num_classes:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} has {teacher.num_classes} outputs, but task {self.name!r} has "
                f"{self.data.num_classes} classes: choose a teacher of this task in Teacher.path."
            )
        if not same_shape(teacher.image_shape, self.data.image_shape):
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} takes images of shape {teacher.image_shape}, but task {self.name!r} "
                f"has {self.data.image_shape}: choose a teacher of this task in Teacher.path."
            )
        expected = (teacher.num_classes,)
        if self.data.masks:
            expected = (*self.data.image_shape[:2], *expected)
        if teacher.logits_shape != expected and None not in teacher.image_shape:
            raise InvalidInputError(
                f"teacher {teacher.model.name!r} returns logits of shape {teacher.logits_shape} for an image, but task "
                f"{self.name!r} needs {expected}: choose a teacher of this task in Teacher.path."
            )
