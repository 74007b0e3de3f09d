import concurrent.futures
import contextlib
import http.server
import io
import itertools
import json
import threading
import time

import numpy as np
import pytest
from PIL import Image

from dfkd_keras.serving import RestClient
from dfkd_keras.utils.errors import InvalidInputError, ServerError, ServerTimeoutError
from tests.serving.servers import free_port
from tests.utils.raw_server import PATIENCE, raw_server

CLIENTS, REQUESTS = 8, 1000


@pytest.mark.parametrize("form", ["row", "column"])
def test_images_are_answered_as_the_student_says(rest_url, student, images, form):
    outputs = RestClient(rest_url, form=form).predict(images)
    expected = student.logits(images)
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=-1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(outputs["class_id"], expected.argmax(axis=-1))
    assert outputs["class_name"].tolist() == [student.class_names[i] for i in expected.argmax(axis=-1)]


@pytest.mark.parametrize("form", ["row", "column"])
def test_files_are_decoded_by_the_server(rest_url, student, images, form):
    files = []
    for image in images[:3]:
        Image.fromarray(image[..., 0]).save(buffer := io.BytesIO(), "PNG")
        files.append(buffer.getvalue())
    outputs = RestClient(rest_url, form=form).predict_encoded(files)
    np.testing.assert_allclose(outputs["logits"], student.logits(images[:3]), atol=1e-5)


def test_of_a_thousand_requests_from_eight_clients_none_is_lost_and_none_wrong(rest_url, student, images):
    expected = student.logits(images)

    def work(number):
        client = RestClient(rest_url, deadline_seconds=60)
        mine = range(number, REQUESTS, CLIENTS)
        return [(i, client.predict(images[i % len(images)][None])["logits"][0]) for i in mine]

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for part in pool.map(work, range(CLIENTS)) for answer in part]
    assert sorted(i for i, _ in answers) == list(range(REQUESTS))
    for i, logits in answers:
        np.testing.assert_allclose(logits, expected[i % len(images)], atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 32, 32, 1)), r"images have dtype float64: give uint8"),
        (np.full((1, 32, 32, 1), np.nan), r"images have dtype float64: give uint8"),
        (np.zeros((32, 32, 1), np.uint8), r"images have shape \(32, 32, 1\): give \[N, height, width, channels\]"),
        (np.zeros((0, 32, 32, 1), np.uint8), r"images have shape \(0, 32, 32, 1\): .* at least one"),
        (np.zeros((1, 9, 32, 1), np.uint8), r"answered HTTP 400: .*images.*; correct the request"),
    ],
)
def test_unfit_images_are_told_and_the_next_request_succeeds(rest_url, images, wrong, message):
    client = RestClient(rest_url)
    with pytest.raises(InvalidInputError, match=message):
        client.predict(wrong)
    assert len(client.predict(images[:1])["class_id"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"instances": [{"images": "text"}]}).encode(),
        json.dumps({"instances": [{"picture": [[0]]}]}).encode(),
        json.dumps({"instances": []}).encode(),
        b'{"instances": [{"images": NaN}]}',
        b"",
        b"\xff" * 10_000_000,
    ],
    ids=["dtype", "name", "empty", "non-finite", "nothing", "10 MB of rubbish"],
)
def test_rubbish_is_refused_and_the_next_request_succeeds(rest_url, images, body):
    client = RestClient(rest_url)
    with pytest.raises(InvalidInputError, match=r"answered HTTP 4\d\d: .*(images|instances|format|JSON)"):
        client._send(body, 30.0)
    assert len(client.predict(images[:1])["class_id"]) == 1


def test_an_unknown_model_is_told(rest_url, images):
    with pytest.raises(InvalidInputError, match=r"models/nobody:predict answered HTTP 404: .*the model's name"):
        RestClient(rest_url, model="nobody").predict(images)


@contextlib.contextmanager
def scripted(*answers):
    """Yields the URL of a server that gives these answers, each a status and a body, and the paths it was asked."""
    asked, left = [], list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def row(**others):
    """The answer for one image, of class 1 of two."""
    return {"logits": [0.0, 1.0], "probabilities": [0.3, 0.7], "class_id": 1} | others


GOOD = (200, json.dumps({"predictions": [row()]}).encode())


def test_a_busy_server_is_asked_again(images):
    with scripted((503, b"loading"), (429, b"slow down"), GOOD) as (url, asked):
        assert RestClient(url, version=7).predict(images[:1])["class_id"].tolist() == [1]
    assert asked == ["/v1/models/student/versions/7:predict"] * 3


def test_a_refused_or_failed_request_is_not_repeated(images):
    with scripted((400, b"bad"), GOOD) as (url, asked), pytest.raises(InvalidInputError, match="HTTP 400: bad"):
        RestClient(url).predict(images[:1])
    assert len(asked) == 1
    with (
        scripted((500, b"broken"), GOOD) as (url, asked),
        pytest.raises(ServerError, match="HTTP 500: broken; see"),
    ):
        RestClient(url).predict(images[:1])
    assert len(asked) == 1


def test_a_server_that_stays_busy_or_is_not_there_runs_into_the_deadline(images):
    told = pytest.raises(ServerTimeoutError, match=r"no answer within 0\.5 s .*HTTP 503: loading")
    with scripted((503, b"loading")) as (url, asked), told:
        RestClient(url, deadline_seconds=0.5).predict(images[:1])
    assert len(asked) > 1
    with pytest.raises(ServerTimeoutError, match=r"refused.*check that the server runs there"):
        RestClient(f"http://localhost:{free_port()}", deadline_seconds=0.3).predict(images[:1])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"hello", "is not JSON"),
        (b"[1]", "is not understood"),
        (b'{"predictions": []}', "is not understood"),
        (b'{"predictions": [{"class_id": 3}, {"class_id": 4}]}', "no prediction for each of 1 images"),
        (b'{"outputs": {"class_id": [1, 2, 3]}}', "no prediction for each of 1 images"),
        (b'{"predictions": [[0.5, 0.5]]}', "names no outputs"),
        (
            json.dumps({"predictions": [row(class_id=-7)]}).encode(),
            r"class_id\[0\] = -7, which is none of the 2 classes",
        ),
        (json.dumps({"predictions": [row(logits=[1, float("inf")])]}).encode(), r"logits\[0, 1\] = inf"),
        (json.dumps({"predictions": [row(logits=[1, None])]}).encode(), r"logits\[0, 1\] = None"),
        (b'{"predictions": [{"probabilities": [1.0], "logits": [1.0]}]}', "no class_id"),
    ],
)
def test_an_answer_that_is_none_is_told(images, body, message):
    with scripted((200, body)) as (url, _), pytest.raises(ServerError, match=message):
        RestClient(url).predict(images[:1])


def test_the_deadline_bounds_an_answer_that_never_ends(images):
    endless, started = lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), time.monotonic()
    with raw_server(endless) as url, pytest.raises(ServerTimeoutError, match=r"no answer within 0\.2 s"):
        RestClient(url, deadline_seconds=0.2).predict(images[:1])
    assert time.monotonic() - started < PATIENCE / 2


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_does_not_lose_the_images(images, status):
    with scripted((status, b""), GOOD) as (url, asked), pytest.raises(ServerError, match="give that address instead"):
        RestClient(url).predict(images[:1])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "localhost:8501"}, "url 'localhost:8501' is not an http"),
        ({"url": "http://localhost:port"}, "url 'http://localhost:port' is not an http"),
        ({"deadline_seconds": 0}, "deadline_seconds=0 must be"),
        ({"deadline_seconds": float("nan")}, "deadline_seconds=nan must be"),
        ({"deadline_seconds": float("inf")}, "deadline_seconds=inf must be"),
        ({"model": "../../admin"}, r"model '\.\./\.\./admin' cannot be the name of a served model"),
        ({"model": "a?b"}, r"model 'a\?b' cannot be the name of a served model"),
        ({"model": ""}, "model '' cannot be the name of a served model"),
        ({"version": "1/../2"}, r"version='1/\.\./2' must be a whole number"),
        ({"version": -1}, "version=-1 must be a whole number"),
        ({"form": "table"}, "form 'table' is unknown"),
    ],
)
def test_wrong_arguments_are_told(images, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        RestClient(**{"url": "http://localhost:1", **arguments}).predict(images)


def test_no_files_are_told():
    with pytest.raises(InvalidInputError, match="images are empty"):
        RestClient("http://localhost:1").predict_encoded([])
