"""The frozen teacher: logits, named features and BatchNorm statistics in one forward pass."""

from dfkd_keras.teacher.inspection import Inspection, inspect_teacher
from dfkd_keras.teacher.teacher import Teacher, TeacherOutputs

__all__ = [
    "Inspection",
    "Teacher",
    "TeacherOutputs",
    "inspect_teacher",
]
