"""A client for the predict API over HTTP and JSON: TF Serving's REST, which is the V1 protocol of others."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from dfkd_keras.export.images import check_files, check_images, one_line
from dfkd_keras.export.retries import Unavailable, ask

Form = Literal["row", "column"]
BUSY = (429, 502, 503, 504)
CHUNK = 1 << 16


class RestClient:
    """Asks a served student for its predictions.

    Args:
        url: of the server, such as "http://localhost:8501".
        model: the served model's name.
        version: the version asked; None (default) for the server's choice.
        deadline_seconds: for one request with all its retries.

    Raises:
        ValueError: if the URL is none of a web server.

    Example:
        >>> client = RestClient("http://localhost:8501", "student")
        >>> client.predict(images)["class_id"]  # uint8 [N, H, W, C] in, [N] out
    """

    def __init__(self, url: str, model: str = "student", version: int | None = None, deadline_seconds: float = 10.0):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r} is none of a REST server: give one such as http://localhost:8501.")
        path = f"/v1/models/{model}" + ("" if version is None else f"/versions/{version}")
        self.url, self.deadline_seconds = f"{url.rstrip('/')}{path}:predict", deadline_seconds

    def predict(self, images: np.ndarray, form: Form = "row") -> dict[str, np.ndarray]:
        """Sends images.

        Args:
            images: uint8 `[N, H, W, C]`.
            form: of the request and its answer: "row" (default), an object per image; "column", an array per output.

        Returns:
            Each output by name, its first axis the images': `logits`, `probabilities`, `class_id` and, where the
            server knows names, `class_name`.

        Raises:
            ValueError: if the images are unfit, or the server refuses them.
            OSError: if the server fails; `TimeoutError` if it gives no answer before the deadline.
        """
        check_images(images)
        return self._ask("serving_default", images.tolist(), form)

    def predict_encoded(self, files: Sequence[bytes], form: Form = "row") -> dict[str, np.ndarray]:
        """Sends the bytes of PNG or JPEG files, which the server decodes; otherwise as `predict`."""
        check_files(files)
        return self._ask("encoded", [{"b64": base64.b64encode(data).decode()} for data in files], form)

    def _ask(self, signature: str, images: list, form: Form) -> dict[str, np.ndarray]:
        if form not in ("row", "column"):
            raise ValueError(f"form {form!r} is unknown: use 'row' or 'column'.")
        rows = {"instances": [{"images": image} for image in images]}
        # With one input, a column is the bare array.
        body = {"signature_name": signature, **(rows if form == "row" else {"inputs": images})}
        data = json.dumps(body).encode()
        answer = ask(lambda seconds: self._post(data, seconds), self.deadline_seconds)
        return columns(answer, len(images), self.url)

    def _post(self, data: bytes, seconds: float) -> Any:
        request = urllib.request.Request(self.url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                content = read(response, time.monotonic() + seconds)
        except urllib.error.HTTPError as error:
            raise refusal(self.url, error) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.url}: {getattr(error, 'reason', None) or one_line(error)}") from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise OSError(f"the answer of {self.url} is no JSON ({one_line(error)}): is it a predict API?") from error


def read(response: http.client.HTTPResponse, end: float) -> bytes:
    """Reads an answer in pieces, so that one that trickles in does not outlast the deadline."""
    pieces = []
    while piece := response.read1(CHUNK):
        pieces.append(piece)
        if time.monotonic() > end:
            raise Unavailable("the answer was not complete in time")
    return b"".join(pieces)


def refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    """Returns what to raise for an HTTP error: whether to ask again, who is to blame, what the server said."""
    said = " ".join(error.read(CHUNK).decode(errors="replace").split())[:500]
    message = f"{url} answered HTTP {error.code}: {said or error.reason}"
    if error.code in BUSY:
        return Unavailable(message)
    if error.code < 500:
        return ValueError(f"{message}; correct the request, the model's name or its version.")
    return OSError(f"{message}; see the server's log.")


def columns(answer: Any, count: int, url: str) -> dict[str, np.ndarray]:
    """Turns an answer of either form into an array per output.

    Raises:
        OSError: if it does not hold an answer for each of `count` images.
    """
    try:
        if "outputs" in answer:
            outputs = {name: np.asarray(values) for name, values in answer["outputs"].items()}
        else:
            rows = answer["predictions"]
            outputs = {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
        if outputs and all(len(values) == count for values in outputs.values()):
            return outputs
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise OSError(
            f"the answer of {url} is not understood ({type(error).__name__}): is it a predict API?"
        ) from error
    raise OSError(f"{url} answered for another number of images than the {count} it was asked for.")
