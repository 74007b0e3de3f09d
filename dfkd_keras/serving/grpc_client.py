"""A client for TF Serving's gRPC predict API."""

from typing import Any

import numpy as np

from dfkd_keras.serving.client import PredictClient, error_of
from dfkd_keras.serving.predict_request import predict_request
from dfkd_keras.utils.optional_imports import require

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]  # 4 MB by default
BUSY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")
REFUSED = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE")


class GrpcClient(PredictClient):
    """Sends images to a student that is served over gRPC, see `PredictClient`.

    Args:
        address: String. Host and port of the server, such as "localhost:8500".
        model: String. Name of the served model. Defaults to "student".
        version: Integer. Version of the served model. Defaults to None, the server's choice.
        deadline_seconds: Float. Limit for one request with all its retries. Defaults to 10.0.

    Raises:
        MissingDependencyError: If tensorflow-serving-api is not installed.

    Example:

    >>> client = GrpcClient("localhost:8500", "student")
    >>> client.predict(images)["class_id"]  # uint8 [N, H, W, C] -> int64 [N]
    """

    def __init__(
        self, address: str, model: str = "student", version: int | None = None, deadline_seconds: float = 10.0
    ):
        super().__init__(address, deadline_seconds)
        service = require("tensorflow_serving.apis.prediction_service_pb2_grpc", "serving")
        self.grpc = require("grpc", "serving")
        self.model, self.version = model, version
        self.channel = self.grpc.insecure_channel(address, options=UNLIMITED)
        self.stub = service.PredictionServiceStub(self.channel)

    def close(self) -> None:
        """Closes the connection."""
        self.channel.close()

    def _message(self, signature: str, images: np.ndarray | list[bytes]) -> Any:
        return predict_request(signature, images, self.model, self.version)

    def _send(self, message: Any, seconds: float) -> Any:
        try:
            return self.stub.Predict(message, timeout=seconds)
        except self.grpc.RpcError as error:
            code, details = error.code().name, " ".join((error.details() or "").split())
            answered = f"{self.address} answered {code}: {details[:500]}"
            raise error_of(answered, code in BUSY, code in REFUSED) from error

    def _outputs(self, answer: Any) -> dict[str, np.ndarray]:
        return {name: array(tensor) for name, tensor in answer.outputs.items()}


def array(tensor: Any) -> np.ndarray:
    """Returns a `TensorProto` as an array, with byte strings decoded."""
    import tensorflow as tf

    values = tf.make_ndarray(tensor)
    return values if values.dtype != object else np.vectorize(bytes.decode, otypes=[str])(values)
