import concurrent.futures

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

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
