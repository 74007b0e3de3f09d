"""TF Serving's PredictionService over a SavedModel, from the stubs of tensorflow-serving-api."""

import threading

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class PredictServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, folder, failures=()):
        self.model, self.version = tf.saved_model.load(str(folder)), int(folder.name)
        self.failures, self.lock = list(failures), threading.Lock()  # status codes to answer with first

    def Predict(self, request, context):
        with self.lock:
            if self.failures:
                context.abort(self.failures.pop(0), "told to fail")
        asked = request.model_spec
        if asked.name != "student" or (asked.HasField("version") and asked.version.value != self.version):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked.name}")
        try:
            inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
            outputs = self.model.signatures[asked.signature_name](**inputs)
        except Exception as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{', '.join(request.inputs)}: {error}")
        response = predict_pb2.PredictResponse(model_spec=asked)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response
