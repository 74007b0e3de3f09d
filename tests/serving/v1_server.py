"""Serves a SavedModel over the V1 protocol, as TF Serving answers: v1_server.py VERSION_FOLDER PORT."""

import base64
import sys

import kserve
import numpy as np
import tensorflow as tf


def decoded(value):
    """Turns base64 objects, at any depth of lists, into bytes."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [decoded(item) for item in value] if isinstance(value, list) else value


class Student(kserve.Model):
    def __init__(self, folder):
        super().__init__("student")
        self.model = tf.saved_model.load(folder)
        self.ready = True

    def predict(self, payload, headers=None):
        try:
            name = payload.get("signature_name", "serving_default")
            rows = payload.get("instances")
            images = payload["inputs"] if rows is None else [row["images"] for row in rows]
            outputs = self.outputs(self.model.signatures[name], name, decoded(images))
        except Exception as error:
            raise kserve.errors.InvalidInput(f"images: {type(error).__name__}: {error}") from error
        if rows is None:
            return {"outputs": outputs}
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}

    def outputs(self, signature, name, images):
        images = tf.constant(images) if name == "encoded" else tf.constant(np.array(images), tf.uint8)
        values = {key: value.numpy() for key, value in signature(images=images).items()}
        return {
            key: [text.decode() for text in value] if value.dtype == object else value.tolist()
            for key, value in values.items()
        }


if __name__ == "__main__":
    kserve.ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start([Student(sys.argv[1])])
