"""The message that TF Serving's gRPC API and its warm-up records share."""

from typing import Any


def predict_request(signature: str, images: Any, model: str = "student", version: int | None = None) -> Any:
    """Returns a `PredictRequest`; wants tensorflow-serving-api.

    Args:
        signature: the signature asked, "serving_default" or "encoded".
        images: its input, uint8 `[B, H, W, C]` or the bytes of files `[B]`.
        model: the served model's name.
        version: the version asked; None for the server's choice.
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
