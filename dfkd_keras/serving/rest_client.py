"""A client for TF Serving's REST predict API, which is also the V1 protocol of other servers."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any, Literal

import numpy as np

from dfkd_keras.serving.client import PredictClient, error_of
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.retries import Unavailable

BUSY = (429, 502, 503, 504)
CHUNK = 1 << 16


class RestClient(PredictClient):
    """Sends images to a student that is served over HTTP, see `PredictClient`.

    Args:
        url: String. URL of the server, such as "http://localhost:8501".
        model: String. Name of the served model. Defaults to "student".
        version: Integer. Version of the served model. Defaults to None, the server's choice.
        deadline_seconds: Float. Limit for one request with all its retries. Defaults to 10.0.
        form: String. Form of requests and answers: "row", an object per image, or "column", an array per output.
            Defaults to "row".

    Raises:
        InvalidInputError: If the URL is not an http(s) URL, or the form is unknown.

    Example:

    >>> client = RestClient("http://localhost:8501", "student")
    >>> client.predict(images)["class_id"]  # uint8 [N, H, W, C] -> int64 [N]
    """

    def __init__(
        self,
        url: str,
        model: str = "student",
        version: int | None = None,
        deadline_seconds: float = 10.0,
        form: Literal["row", "column"] = "row",
    ):
        if not url.startswith(("http://", "https://")):
            raise InvalidInputError(f"url {url!r} is not an http(s) URL: give one such as http://localhost:8501.")
        if form not in ("row", "column"):
            raise InvalidInputError(f"form {form!r} is unknown: use 'row' or 'column'.")
        path = f"/v1/models/{model}" + ("" if version is None else f"/versions/{version}")
        super().__init__(f"{url.rstrip('/')}{path}:predict", deadline_seconds)
        self.form = form

    def _message(self, signature: str, images: np.ndarray | list[bytes]) -> bytes:
        if signature == "encoded":
            values = [{"b64": base64.b64encode(data).decode()} for data in images]
        else:
            values = images.tolist()
        # The column of a single input is sent as the array itself.
        rows = {"instances": [{"images": value} for value in values]}
        body = {"signature_name": signature, **(rows if self.form == "row" else {"inputs": values})}
        return json.dumps(body).encode()

    def _send(self, message: bytes, seconds: float) -> Any:
        request = urllib.request.Request(self.address, message, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                content = read(response, time.monotonic() + seconds)
        except urllib.error.HTTPError as error:
            said = " ".join(error.read(CHUNK).decode(errors="replace").split())[:500]
            answered = f"{self.address} answered HTTP {error.code}: {said or error.reason}"
            raise error_of(answered, error.code in BUSY, error.code < 500) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.address}: {getattr(error, 'reason', None) or single_line(error)}") from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise ServerError(
                f"the answer of {self.address} is not JSON ({single_line(error)}): check that it is a predict API."
            ) from error

    def _outputs(self, answer: Any) -> dict[str, np.ndarray]:
        try:
            if "outputs" in answer:
                return {name: np.asarray(values) for name, values in answer["outputs"].items()}
            rows = answer["predictions"]
            return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ServerError(
                f"the answer of {self.address} is not understood ({type(error).__name__}): check that it is a predict "
                "API."
            ) from error


def read(response: http.client.HTTPResponse, end: float) -> bytes:
    """Returns the body of an answer, read in pieces so that a slow one cannot outlast the deadline.

    Args:
        response: The HTTP response.
        end: Float. The deadline, as `time.monotonic` counts.

    Raises:
        Unavailable: If the answer was not complete before the deadline.
    """
    pieces = []
    while piece := response.read1(CHUNK):
        pieces.append(piece)
        if time.monotonic() > end:
            raise Unavailable("the answer was not complete in time")
    return b"".join(pieces)
