"""Features of teacher and student side by side, for a student loss that matches them."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from dfkd_keras.losses.student_loss import StudentLoss
from dfkd_keras.teacher.features import add_feature_hooks, common_stages
from dfkd_keras.teacher.hooks import ForwardHooks
from dfkd_keras.teacher.model_checks import probe_shape
from dfkd_keras.teacher.teacher import Teacher, TeacherOutputs
from dfkd_keras.utils.errors import InvalidInputError

logger = logging.getLogger(__name__)


class FeatureMatching:
    """Records the features that a student loss matches; nothing for a loss on the logits alone.

    Args:
        loss: `StudentLoss`. Its features say what to record.
        teacher: `Teacher`. It is made to record its side.
        student: Keras model. It is hooked only while `recording`.

    Raises:
        InvalidInputError: If features are missing, or are not of the same resolutions.
    """

    def __init__(self, loss: StudentLoss, teacher: Teacher, student: keras.Model):
        self.names, self._hooks = None, ForwardHooks()
        if not loss.matches_features:
            return
        names = loss.teacher_features, loss.student_features
        if names == (None, None):
            names = _stages(loss, teacher, student)
        if None in names or len(names[0]) != len(names[1]):
            raise InvalidInputError(
                f"{type(loss).__name__}: teacher_features={names[0]} and student_features={names[1]} must be equally "
                "many, or both None for the stages."
            )
        self.names = names
        teacher.record((), names[0])
        add_feature_hooks(self._hooks, student, sorted({*names[1]}), teacher.image_shape)
        self._check_sizes(teacher, student)

    @contextlib.contextmanager
    def recording(self, teacher_outputs: TeacherOutputs) -> Iterator[Callable[[], list]]:
        """Records the student's features while the `with` block runs the student.

        Args:
            teacher_outputs: `TeacherOutputs` for the same images.

        Yields:
            Callable. It returns, after the student has run, what the loss takes besides the logits: the teacher's and
            the student's maps, or nothing.
        """
        with self._hooks.recording() as kept:
            yield lambda: self._features(teacher_outputs.features, kept)

    def _features(self, *features: dict[str, Any]) -> list:
        if self.names is None:
            return []
        return [[kept[name] for name in names] for kept, names in zip(features, self.names, strict=True)]

    def _check_sizes(self, teacher: Teacher, student: keras.Model) -> None:
        images = np.zeros(probe_shape(teacher.image_shape), "float32")
        with self.recording(teacher(images)) as features:
            student(teacher.to_inputs(images), training=False)
        for name, other, *maps in zip(*self.names, *features(), strict=True):
            sizes = [tuple(each.shape[1:-1]) for each in maps]
            if sizes[0] != sizes[1]:
                raise InvalidInputError(
                    f"the teacher's feature {name!r} is of size {sizes[0]}, but the student's {other!r} of {sizes[1]}: "
                    "match features of equal size."
                )


def _stages(loss: StudentLoss, teacher: Teacher, student: keras.Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names of the stages to match on both sides; none if there are none, where the loss allows it."""
    try:
        return common_stages(teacher.model, student, teacher.image_shape)
    except InvalidInputError as error:
        if loss.requires_features:
            raise
        logger.warning("%s matches the logits alone: %s", type(loss).__name__, error)
        return (), ()
