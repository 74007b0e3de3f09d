"""A client for TF Serving's gRPC predict API."""

import math
from typing import Any

import numpy as np

from dfkd_keras.serving.client import PredictClient, error_of
from dfkd_keras.serving.predict_request import predict_request
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.optional_imports import require
from dfkd_keras.utils.text import printable

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
        InvalidInputError: If the address, the name, the version or the deadline cannot be one.
        MissingDependencyError: If tensorflow-serving-api is not installed.

    Example:

    >>> client = GrpcClient("localhost:8500", "student")
    >>> client.predict(images)["class_id"]  # uint8 [N, H, W, C] -> int64 [N]
    """

    def __init__(
        self, address: str, model: str = "student", version: int | None = None, deadline_seconds: float = 10.0
    ):
        if not isinstance(address, str) or not address:
            raise InvalidInputError(f"address {address!r} is no host and port: give one such as 'localhost:8500'.")
        super().__init__(address, model, version, deadline_seconds)
        service = require("tensorflow_serving.apis.prediction_service_pb2_grpc", "serving")
        self.grpc = require("grpc", "serving")
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
            answered = f"{self.address} answered {code}: {printable(details)[:500]}"
            raise error_of(answered, code in BUSY, code in REFUSED) from error

    def _outputs(self, answer: Any, count: int) -> dict[str, np.ndarray]:
        try:
            return {name: array(tensor, count) for name, tensor in answer.outputs.items()}
        except Exception as error:  # TensorFlow raises errors of many kinds about damaged tensors
            cause = single_line(error)[:200]
            raise ServerError(
                f"the answer of {self.address} is not understood ({cause}): check that it serves an exported student."
            ) from error


def array(tensor: Any, count: int) -> np.ndarray:
    """Returns a `TensorProto` as an array, with byte strings decoded.

    Args:
        tensor: `TensorProto`.
        count: Integer. The length of its first axis.

    Raises:
        Exception: Of any class, if it is damaged, or claims another shape than that of its content. A message of a few
            bytes may claim any shape, which TensorFlow would fill with the last value.
    """
    import tensorflow as tf

    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if shape[:1] != [count] or min(shape) < 0 or math.prod(shape) > tensor.ByteSize():
        raise ValueError(f"{tensor.ByteSize()} bytes of the shape {shape} for {count} images")
    values = tf.make_ndarray(tensor)
    return values if values.dtype != object else np.vectorize(bytes.decode, otypes=[str])(values)
