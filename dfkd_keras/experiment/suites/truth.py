"""The truth about a teacher and its students: on real images, given as the teacher really takes them."""

import functools
from pathlib import Path

import keras
import numpy as np

from dfkd_keras import metrics
from dfkd_keras.experiment.distillation.findings import DEFAULT_SIDE
from dfkd_keras.experiment.suites.teachers import SuiteTeacher
from dfkd_keras.teacher.batch_statistics import batch_norms
from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.teacher.model_checks import detected_outputs, input_image_shape
from dfkd_keras.teacher.teacher import Teacher


class Truth:
    """The real test images of a teacher and what it makes of them, whatever a distillation took them for.

    Args:
        teacher: `SuiteTeacher`.

    Raises:
        NotFoundError: If its file or its images are not there.
        InvalidInputError: If one of them cannot be read.
    """

    def __init__(self, teacher: SuiteTeacher):
        model = load_teacher(str(teacher.path))
        shape = tuple(length or DEFAULT_SIDE for length in input_image_shape(model))
        self.split = teacher.test_split(shape)
        self.teacher = Teacher(
            model,
            input_range=teacher.input_range,
            channel_order=teacher.channel_order,
            outputs=detected_outputs(model, shape),
            image_shape=shape,
        )
        self.batch_norms = len(batch_norms(model))

    @functools.cached_property
    def classes(self) -> np.ndarray:
        """Integer array `[N]`. The teacher's class of each image."""
        return self.teacher.predict_classes(self.split.unit_images)

    def measure(self, student: keras.Model | Path | str) -> dict[str, float]:
        """Returns the accuracy of teacher and student and their agreement, as fractions of the images.

        Args:
            student: Keras model, or the path of its file. It takes and returns what the teacher does.
        """
        network = student if isinstance(student, keras.Model) else load_teacher(str(student))
        of_student = self.teacher.predict_classes(self.split.unit_images, network)
        return {
            "teacher_accuracy": metrics.agreement(self.classes, self.split.labels),
            "student_accuracy": metrics.agreement(of_student, self.split.labels),
            "agreement": metrics.agreement(of_student, self.classes),
        }
