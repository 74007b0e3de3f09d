"""A server as a teacher: wrong answers, at first or later, end in one line; none of them is learned from."""

import time

import numpy as np
import pytest

from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, ServerError, ServerTimeoutError
from tests.teacher.rest_server import described, serving
from tests.utils.raw_server import PATIENCE, raw_server

SHAPE = (2, 2, 3)
IMAGES = np.zeros((3, *SHAPE), "float32")
NAN = float("nan")


def ones(rows):
    return [[1.0, 1.0] for _ in rows]


WRONG = [
    (lambda rows: [[1.0, NAN] for _ in rows], r"outputs that are not finite numbers, first \[0, 1\] = nan"),
    (lambda rows: [[1.0, float("inf")] for _ in rows], r"first \[0, 1\] = inf"),
    (lambda rows: [[1.0, None] for _ in rows], r"first \[0, 1\] = None"),
    (lambda rows: [[10**400, 1.0] for _ in rows], r"first \[0, 0\] = 1000"),
    (lambda rows: ones(rows)[1:], r"no prediction for each of \d images"),
    (lambda rows: [*ones(rows), [1.0, 1.0]], r"no prediction for each of \d images"),
    (lambda rows: [{"a": 1.0}, *ones(rows)[1:]], "is not understood"),
    (lambda rows: [[1.0], *ones(rows)[1:]], r"is not understood \(ValueError"),
    (lambda rows: None, "is not understood"),
]


@pytest.mark.parametrize(("function", "message"), WRONG)
def test_wrong_answers_are_told_when_the_teacher_is_loaded(function, message):
    with serving(function) as server, pytest.raises(DFKDError, match=message) as told:
        load_teacher(server.url, image_shape=SHAPE)
    assert "\n" not in str(told.value) and server.url in str(told.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [*WRONG, (lambda rows: [["1", "2"] for _ in rows], r"teacher 'digits' returns .* first \[0, 0\] = '1'"),
     (lambda rows: [[1.0, 2.0, 3.0] for _ in rows], r"teacher 'digits' returns outputs of the shape \(3, 3\)"),
     (lambda rows: [{"a": row} for row in ones(rows)], r"teacher 'digits' fails for 3 images .*KeyError")],
)  # fmt: skip
def test_wrong_answers_are_told_when_the_teacher_is_asked(function, message):
    with serving(ones) as server:
        teacher = load_teacher(server.url, image_shape=SHAPE)
        server.function = function
        with pytest.raises(DFKDError, match=message) as told:
            teacher(IMAGES)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "metadata",
    [
        b"[" * 100_000,
        [],
        {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": []}}}}},
        described("DT_FLOAT", "many", *SHAPE),
        described(["DT_FLOAT"], -1, *SHAPE),
    ],
    ids=["depth", "list", "inputs", "size", "type"],
)
def test_metadata_that_are_none_are_left_aside(metadata):
    with serving(ones, metadata) as server:
        assert load_teacher(server.url, image_shape=SHAPE).output_shape == (None, 2)


def test_metadata_of_images_beyond_all_memory_are_told():
    with (
        serving(ones, described("DT_FLOAT", -1, 10**9, 10**9, 3)) as server,
        pytest.raises(InvalidInputError, match=r"\(1000000000, 1000000000, 3\), which are too large"),
    ):
        load_teacher(server.url)


def test_the_deadline_bounds_an_answer_that_drips(monkeypatch):
    monkeypatch.setattr("dfkd_keras.teacher.served_model.DEADLINE_SECONDS", 0.2)
    started = time.monotonic()

    def drip():
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n"

    with raw_server(drip, 0.02) as url, pytest.raises(ServerTimeoutError, match=r"no answer within 0\.2 s"):
        load_teacher(f"{url}/v1/models/m", image_shape=SHAPE)
    assert time.monotonic() - started < PATIENCE / 2


@pytest.mark.parametrize("status", [400, 413])
def test_a_server_that_takes_few_images_at_once_is_asked_for_as_many(status):
    limit, asked = 5, []

    def answer(path, body):
        if body is None:
            return 404, {}
        asked.append(len(body["instances"]))
        rows = np.reshape(body["instances"], (-1, 3)).tolist()
        return (status, {"error": "too many"}) if asked[-1] > limit else (200, {"predictions": rows})

    with serving(ones) as server:
        server.answer = answer
        teacher = load_teacher(server.url, image_shape=(1, 1, 3))
        images = np.arange(60.0, dtype="float32").reshape(20, 1, 1, 3)
        asked.clear()
        for _ in range(2):
            np.testing.assert_array_equal(np.ravel(teacher(images)), images.ravel())
    assert asked == [20, 10, *[5] * 8]


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_asks_for_credentials_is_reached_through_a_function(status):
    with serving(ones) as server, pytest.raises(ServerError, match=rf"HTTP {status}: .*--teacher=module:function"):
        server.answer = lambda *_: (status, {})
        load_teacher(server.url, image_shape=SHAPE)


def test_large_images_are_sent_in_small_batches(monkeypatch):
    monkeypatch.setattr("dfkd_keras.teacher.served_model.VALUES_PER_REQUEST", 24)
    with serving(ones) as server:
        teacher = load_teacher(server.url, image_shape=SHAPE)
        server.requests.clear()
        teacher(IMAGES)
    assert [len(body["instances"]) for _, body in server.requests] == [2, 1]


def test_a_redirect_does_not_lose_the_images():
    pieces = lambda: [b"HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n"]  # noqa: E731
    with raw_server(pieces) as url, pytest.raises(ServerError, match="redirects to 'http://other/'"):
        load_teacher(f"{url}/v1/models/m", image_shape=SHAPE)
