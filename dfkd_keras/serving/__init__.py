"""Clients of a served student: REST and gRPC, with retries."""

from dfkd_keras.serving.grpc_client import GrpcClient
from dfkd_keras.serving.rest_client import RestClient

__all__ = [
    "GrpcClient",
    "RestClient",
]
