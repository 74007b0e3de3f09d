"""Export of a student as SavedModel, LiteRT or ONNX, with its preprocessing inside."""

from dfkd_keras.export.formats import FORMATS, export_student
from dfkd_keras.export.parity import ParityReport
from dfkd_keras.export.savedmodel import served_classes
from dfkd_keras.export.serving_model import ServedStudent, serving_model

__all__ = [
    "FORMATS",
    "ParityReport",
    "ServedStudent",
    "export_student",
    "served_classes",
    "serving_model",
]
