"""The request message of TF Serving's gRPC API, which warm-up records contain too."""

from typing import Any


def predict_request(signature: str, images: Any, model: str = "student", version: int | None = None) -> Any:
    """Returns a `PredictRequest`. Needs tensorflow-serving-api.

    Args:
        signature: String. Signature of the served model, "serving_default" or "encoded".
        images: uint8 array `[B, H, W, C]`, or a list of `B` bytes of image files for "encoded".
        model: String. Name of the served model. Defaults to "student".
        version: Integer. Version of the served model. Defaults to None, the server's choice.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    message.inputs["images"].CopyFrom(tf.make_tensor_proto(images))
    return message
