"""A client for TF Serving's REST predict API, which is also the V1 protocol of other servers."""

import base64
import json
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

from dfkd_keras.serving.client import PredictClient, error_of
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.http_requests import HttpError, is_url, request_json
from dfkd_keras.utils.predict_api import outputs_in


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
        InvalidInputError: If the URL is not an http(s) URL, the form is unknown, or the name, the version or the
            deadline cannot be one.

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
        if not is_url(url):
            raise InvalidInputError(f"url {url!r} is not an http(s) URL: give one such as http://localhost:8501.")
        if form not in ("row", "column"):
            raise InvalidInputError(f"form {form!r} is unknown: use 'row' or 'column'.")
        path = f"/v1/models/{quote(str(model))}" + ("" if version is None else f"/versions/{version}")
        super().__init__(f"{url.rstrip('/')}{path}:predict", model, version, deadline_seconds)
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
        try:
            return request_json(self.address, message, seconds)
        except HttpError as error:
            raise error_of(str(error), busy=False, refused=error.status < 500) from error

    def _outputs(self, answer: Any, count: int) -> dict[str, np.ndarray]:
        outputs = outputs_in(answer, count, self.address)
        if not isinstance(outputs, dict):
            raise ServerError(
                f"the answer of {self.address} names no outputs: check that it serves an exported student."
            )
        return outputs
