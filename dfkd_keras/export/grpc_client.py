"""A client for TF Serving's gRPC predict API."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dfkd_keras.export.extras import require
from dfkd_keras.export.images import check_files, check_images
from dfkd_keras.export.predict_request import predict_request
from dfkd_keras.export.retries import Unavailable, ask

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]  # 4 MB by default


class GrpcClient:
    """Asks a served student for its predictions.

    Args:
        address: of the server, such as "localhost:8500".
        model: the served model's name.
        version: the version asked; None (default) for the server's choice.
        deadline_seconds: for one request with all its retries.

    Raises:
        ModuleNotFoundError: if tensorflow-serving-api is not installed.
    """

    def __init__(
        self, address: str, model: str = "student", version: int | None = None, deadline_seconds: float = 10.0
    ):
        service = require("tensorflow_serving.apis.prediction_service_pb2_grpc", "serving")
        self.grpc = require("grpc", "serving")
        self.address, self.model, self.version = address, model, version
        self.deadline_seconds = deadline_seconds
        self.channel = self.grpc.insecure_channel(address, options=UNLIMITED)
        self.stub = service.PredictionServiceStub(self.channel)

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Sends uint8 images `[N, H, W, C]`; returns and raises as `RestClient.predict`."""
        check_images(images)
        return self._ask("serving_default", images)

    def predict_encoded(self, files: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Sends the bytes of PNG or JPEG files, which the server decodes; otherwise as `predict`."""
        check_files(files)
        return self._ask("encoded", list(files))

    def close(self) -> None:
        """Closes the connection."""
        self.channel.close()

    def _ask(self, signature: str, images: Any) -> dict[str, np.ndarray]:
        request = predict_request(signature, images, self.model, self.version)
        response = ask(lambda seconds: self._call(request, seconds), self.deadline_seconds)
        return {name: array(tensor) for name, tensor in response.outputs.items()}

    def _call(self, request: Any, seconds: float) -> Any:
        try:
            return self.stub.Predict(request, timeout=seconds)
        except self.grpc.RpcError as error:
            raise self._explained(error) from error

    def _explained(self, error: Any) -> Exception:
        codes, code = self.grpc.StatusCode, error.code()
        message = f"{self.address} answered {code.name}: {' '.join((error.details() or '').split())[:500]}"
        if code in (codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED, codes.DEADLINE_EXCEEDED):
            return Unavailable(message)
        if code in (codes.INVALID_ARGUMENT, codes.NOT_FOUND, codes.FAILED_PRECONDITION, codes.OUT_OF_RANGE):
            return ValueError(f"{message}; correct the request, the model's name or its version.")
        return OSError(f"{message}; see the server's log.")


def array(tensor: Any) -> np.ndarray:
    """Returns a `TensorProto` as an array, strings as text."""
    import tensorflow as tf

    values = tf.make_ndarray(tensor)
    return values if values.dtype != object else np.vectorize(bytes.decode, otypes=[str])(values)
