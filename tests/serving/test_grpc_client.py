import concurrent.futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from dfkd_keras.export.warmup import encode_png
from dfkd_keras.serving import GrpcClient
from dfkd_keras.utils.errors import InvalidInputError, ServerError, ServerTimeoutError
from tests.serving.predict_servicer import PredictServicer
from tests.serving.servers import free_port


def test_images_and_files_are_answered_as_the_student_says(grpc_address, student, images):
    client = GrpcClient(grpc_address)
    expected = student.logits(images)
    encoded = client.predict_encoded([encode_png(image) for image in images])
    for outputs in (client.predict(images), encoded):
        np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
        np.testing.assert_array_equal(outputs["class_id"], expected.argmax(axis=-1))
        assert outputs["class_name"].tolist() == [student.class_names[i] for i in expected.argmax(axis=-1)]
    client.close()


def test_a_request_larger_than_four_megabytes_passes(grpc_address, images):
    many = np.resize(images, (5000, 32, 32, 1))
    assert len(GrpcClient(grpc_address, deadline_seconds=60).predict(many)["class_id"]) == 5000


def test_what_the_server_refuses_is_told_and_the_next_request_succeeds(grpc_address, images):
    client = GrpcClient(grpc_address)
    with pytest.raises(InvalidInputError, match=r"images have dtype float32: give uint8"):
        client.predict(images.astype(np.float32))
    with pytest.raises(InvalidInputError, match=r"answered INVALID_ARGUMENT: .*images"):
        client.predict(images[:, :9])
    with pytest.raises(InvalidInputError, match=r"answered INVALID_ARGUMENT"):
        client.predict_encoded([b"no picture"])
    with pytest.raises(InvalidInputError, match="images are empty"):
        client.predict_encoded([])
    assert len(client.predict(images[:1])["class_id"]) == 1


@pytest.mark.parametrize("arguments", [{"model": "nobody"}, {"version": 99}])
def test_an_unknown_model_or_version_is_told(grpc_address, images, arguments):
    with pytest.raises(InvalidInputError, match=r"answered NOT_FOUND: .*the model's name or its version"):
        GrpcClient(grpc_address, **arguments).predict(images)


def test_the_version_that_is_there_answers(grpc_address, images):
    assert len(GrpcClient(grpc_address, version=1).predict(images)["class_id"]) == len(images)


def failing(versions, *codes):
    """Returns a started server that first fails with these codes, and its address."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    servicer = PredictServicer(versions / "1", codes)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    return server, f"localhost:{port}"


def test_a_busy_server_is_asked_again_and_a_broken_one_is_not(versions, images):
    codes = grpc.StatusCode
    server, address = failing(versions, codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED)
    assert len(GrpcClient(address).predict(images)["class_id"]) == len(images)
    server.stop(None)
    server, address = failing(versions, codes.INTERNAL)
    with pytest.raises(ServerError, match="answered INTERNAL: told to fail; see the server's log"):
        GrpcClient(address).predict(images)
    server.stop(None)


def test_a_server_that_is_not_there_runs_into_the_deadline(images):
    with pytest.raises(ServerTimeoutError, match=r"no answer within 0\.5 s .*UNAVAILABLE"):
        GrpcClient(f"localhost:{free_port()}", deadline_seconds=0.5).predict(images)


def response(**others):
    """The answer for 2 images."""
    known = {"logits": [[0.0, 1.0], [2.0, 1.0]], "probabilities": [[0.3, 0.7], [0.7, 0.3]], "class_id": [1, 0]} | others
    answer = predict_pb2.PredictResponse()
    for name, values in known.items():
        tensor = values if isinstance(values, tensor_pb2.TensorProto) else tf.make_tensor_proto(values)
        answer.outputs[name].CopyFrom(tensor)
    return answer


def claimed(*shape, **content):
    """A tensor that claims a shape, whatever its content."""
    sizes = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    shape = tensor_shape_pb2.TensorShapeProto(dim=sizes)
    return tensor_pb2.TensorProto(**{"dtype": tf.float32.as_datatype_enum, "tensor_shape": shape, **content})


@pytest.fixture
def answered(monkeypatch):
    """Returns a function that lets a client get an answer for 2 images."""

    def predict(answer):
        client = GrpcClient("localhost:1")
        monkeypatch.setattr(client, "_send", lambda message, seconds: answer)
        return client.predict(np.zeros((2, 4, 4, 1), np.uint8))

    return predict


def test_an_answer_of_a_student_passes(answered):
    outputs = answered(response(class_name=["a\x1b[2J", "b"]))
    assert outputs["class_id"].tolist() == [1, 0] and outputs["class_name"].tolist() == [r"a\x1b[2J", "b"]


@pytest.mark.parametrize(
    "tensor",
    [
        claimed(2, 10**12, float_val=[1.0]),
        claimed(10**12, 2, float_val=[1.0]),
        claimed(2, -1, float_val=[1.0]),
        claimed(2, 2, tensor_content=b"four"),
        claimed(2, 2, dtype=tf.resource.as_datatype_enum, float_val=[1.0] * 4),
        claimed(2, 2, dtype=999, float_val=[1.0] * 4),
        claimed(2, dtype=tf.string.as_datatype_enum, string_val=[b"\xff", b""]),
        claimed(float_val=[1.0]),
        tf.make_tensor_proto(np.ones((3, 2), "float32")),
    ],
    ids=["huge", "many", "negative", "half", "resource", "unknown type", "no text", "scalar", "another count"],
)
def test_a_tensor_that_claims_what_it_does_not_hold_is_told(answered, tensor):
    with pytest.raises(ServerError, match=r"answer of localhost:1 is not understood \(.*check that it serves") as told:
        answered(response(logits=tensor))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"logits": [[np.nan, 1.0], [0.0, 1.0]]}, r"logits\[0, 0\] = nan"),
        ({"class_id": [0, -7]}, r"class_id\[1\] = -7"),
        ({"class_id": [0.0, 1.5]}, r"class_id\[0\] = 0\.0"),
        ({"class_id": ["0", "1"]}, r"class_id\[0\] = '0'"),
    ],
)
def test_an_answer_of_no_student_is_told(answered, others, message):
    with pytest.raises(ServerError, match=message):
        answered(response(**others))
