"""From a student to a service: SavedModel, LiteRT and ONNX with the preprocessing inside, and clients for a server."""

from dfkd_keras.export.formats import FORMATS, export_student
from dfkd_keras.export.grpc_client import GrpcClient
from dfkd_keras.export.images import read_images
from dfkd_keras.export.parity import ParityReport
from dfkd_keras.export.rest_client import RestClient
from dfkd_keras.export.savedmodel import export_savedmodel, served_classes
from dfkd_keras.export.serving_model import ServedStudent, serving_model

__all__ = [
    "FORMATS",
    "GrpcClient",
    "ParityReport",
    "RestClient",
    "ServedStudent",
    "export_savedmodel",
    "export_student",
    "read_images",
    "served_classes",
    "serving_model",
]
