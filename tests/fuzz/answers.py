"""What a server answers to a client of a served student, and to a served teacher: damaged JSON, headers and bytes."""

import contextlib
import functools
import json
import socket
import threading
import time
from unittest import mock

import numpy as np

from dfkd_keras.serving import RestClient
from dfkd_keras.teacher import served_model
from dfkd_keras.teacher.loading import load_teacher
from tests.fuzz import json_values
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import chance, damaged, pick

SHARE = 15
DEADLINE_SECONDS = 0.2
IMAGES = np.zeros((2, 4, 4, 1), np.uint8)
STATUS = (
    "200 OK", "200 OK", "100 Continue", "204 No Content", "206 Partial Content", "301 Moved", "304 Not Modified",
    "400 Bad Request", "401 ", "404 Not Found", "413 \x1b[2J", "429 Slow", "500 Oops", "503 Busy", "999 ", "-1", "two",
)  # fmt: skip
HEADERS = (
    "Content-Length: {}", "Content-Length: -5", "Content-Length: many", "Content-Length: 99999", "Content-Length: 3",
    "Content-Length: 9" + "9" * 30, "Transfer-Encoding: chunked", "Content-Encoding: gzip",
    "Location: http://localhost:1/",
    "Content-Type: text/html; charset=utf-99", "X: " + "y" * 70_000, "no colon", ": no name", "X: \x00\xff",
    "A: b\n" * 200,
)  # fmt: skip


class Server:
    """Answers every connection with the bytes that were set last."""

    def __init__(self):
        self.answers, self.listener = {}, socket.create_server(("localhost", 0))
        self.url = f"http://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            threading.Thread(target=self._answer, args=(self.listener.accept()[0],), daemon=True).start()

    def _answer(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(1.0)
            asked = connection.recv(1 << 16)
            kind = "metadata" if b"/metadata" in asked.partition(b"\r\n")[0] else "predict"
            content, pause = self.answers[kind]
            for start in range(0, len(content), max(1, len(content) // 4)):
                connection.sendall(content[start : start + max(1, len(content) // 4)])
                time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # to close with a message unread would reset the connection
                pass


@functools.cache
def server():
    return Server()


def case(rng, folder):
    attempt, change = pick(rng, [_client, _client, _teacher]), pick(rng, [_in_json, _in_body, _http, None])
    answer, metadata = _valid(rng, attempt), _metadata(rng, change)
    body = change(rng, answer) if change in (_in_json, _in_body) else json.dumps(answer).encode()
    content = _http(rng, body) if change is _http else _whole(body)
    told = _http(rng, metadata) if change is _http else _whole(metadata)
    pause = 0.1 if chance(rng, 0.02) else 0.0
    server().answers = {"predict": (content, pause), "metadata": (told, 0.0)}
    is_whole = not change and not pause
    return Case(lambda: attempt(body, 10.0 if is_whole else DEADLINE_SECONDS), (server().url,), is_whole)


def _in_json(rng, answer):
    for _ in range(int(rng.integers(1, 3))):
        answer = json_values.changed(rng, answer)
    return json.dumps(answer).encode()


def _in_body(rng, answer):
    return damaged(rng, json.dumps(answer).encode())


def _valid(rng, attempt):
    """Returns an answer of a student, or of a teacher, in one of the forms that servers use."""
    logits = rng.normal(size=(len(IMAGES), 3)).round(3)
    if attempt is _teacher:
        return pick(rng, [{"predictions": logits.tolist()}, {"outputs": logits.tolist()}])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    chosen = logits.argmax(axis=-1)
    columns = {"logits": logits.tolist(), "probabilities": probabilities.tolist(), "class_id": chosen.tolist()}
    if chance(rng, 0.5):
        columns["class_name"] = [("cat", "dog", "owl")[index] for index in chosen]
    rows = [{name: column[row] for name, column in columns.items()} for row in range(len(IMAGES))]
    return pick(rng, [{"predictions": rows}, {"outputs": columns}])


def _metadata(rng, change):
    """Returns what a server tells about a model; with any change, perhaps something else."""
    sizes = [{"size": str(size)} for size in (-1, *IMAGES.shape[1:])]
    inputs = {"images": {"dtype": pick(rng, ["DT_FLOAT", "DT_UINT8"]), "tensor_shape": {"dim": sizes}}}
    answer = {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": inputs}}}}}
    return json.dumps(json_values.changed(rng, answer) if change and chance(rng, 0.2) else answer).encode()


def _whole(body, status="200 OK", headers=("Content-Length: {}",)):
    text = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).replace("{}", str(len(body)))
    return text.encode("latin-1") + body


def _http(rng, body):
    """Returns an answer with another status, other headers, or damaged bytes; or a whole one."""
    status = pick(rng, STATUS) if chance(rng, 0.4) else "200 OK"
    headers = [pick(rng, HEADERS), pick(rng, HEADERS)] if chance(rng, 0.4) else ["Content-Length: {}"]
    content = _whole(body, status, headers)
    return damaged(rng, content) if chance(rng, 0.3) else content


def _client(body, seconds):
    outputs = RestClient(server().url, deadline_seconds=seconds).predict(IMAGES)
    logits, probabilities, chosen = (outputs[name] for name in ("logits", "probabilities", "class_id"))
    expect(logits.shape == probabilities.shape == (len(IMAGES), logits.shape[-1]), "shapes")
    expect(np.isfinite(logits.astype(float)).all() and np.allclose(probabilities.sum(axis=-1), 1, atol=0.02), "values")
    expect(((chosen >= 0) & (chosen < logits.shape[-1])).all() and chosen.dtype.kind == "i", "classes")
    if (told := _told(body, "logits")) is not None:
        expect(np.array_equal(logits, told), "the logits are not those of the answer")
    for name in outputs.get("class_name", ()):
        expect(str(name).isprintable(), f"class_name {name!r}")


def _teacher(body, seconds):
    with mock.patch.object(served_model, "DEADLINE_SECONDS", seconds):
        teacher = load_teacher(f"{server().url}/v1/models/m", image_shape=IMAGES.shape[1:])
        outputs = np.asarray(teacher(np.zeros((len(IMAGES), *teacher.input_shape[1:]), "float32")))
    expect(np.isfinite(outputs).all() and len(outputs) == len(IMAGES) and outputs.ndim in (2, 4), "outputs")
    if (told := _told(body)) is not None:
        expect(np.allclose(outputs.ravel(), told.ravel()), "the outputs are not those of the answer")


def _told(body, name=None):
    """Returns an output in the bytes of an answer, the only one or that of a name, if they are still an answer."""
    try:
        answer = json.loads(body)
        outputs = answer["outputs"] if "outputs" in answer else answer["predictions"]
        if name is not None:
            outputs = outputs[name] if "outputs" in answer else [row[name] for row in outputs]
        return np.array(outputs, float)
    except (KeyError, TypeError, ValueError):
        return None
