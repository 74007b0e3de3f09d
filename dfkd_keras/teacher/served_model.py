"""A model that a server answers for, over TF Serving's REST predict API."""

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any

import numpy as np

from dfkd_keras.teacher.black_box import Runtime
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.retries import Unavailable, retry

BUSY = (429, 502, 503, 504)
DEADLINE_SECONDS = 60.0
IMAGES_PER_REQUEST = 64
SIGNATURE = "serving_default"
URL = re.compile(r"https?://[^/\s]+(/[^\s]*)?/v1/models/[^/\s]+(/versions/\d+)?")
TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_UINT8": "uint8", "DT_INT8": "int8"}


def served_runtime(url: str) -> Runtime:
    """Returns a served model as a runtime.

    Its images' shape and type are those that the server tells; where it tells none, they are floats of any shape.

    Args:
        url: String. URL of the model, such as "http://localhost:8501/v1/models/student".

    Raises:
        InvalidInputError: If it is no such URL, or the model has several inputs.
        ServerError: If the server does not know the model, or is no predict API.
        ServerTimeoutError: If it gives no answer in time.
    """
    url = url.rstrip("/").removesuffix(":predict")
    if not URL.fullmatch(url):
        raise InvalidInputError(
            "is no URL of a served model: give one such as http://localhost:8501/v1/models/student."
        )
    shape, dtype = _signature(_answer(f"{url}/metadata"))

    def function(images: np.ndarray) -> Any:
        batches = np.split(images, range(IMAGES_PER_REQUEST, len(images), IMAGES_PER_REQUEST))
        rows = [row for batch in batches for row in _predictions(f"{url}:predict", batch)]
        if isinstance(rows[0], dict):
            return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
        return np.asarray(rows)

    return Runtime(function, shape, dtype)


def _predictions(url: str, images: np.ndarray) -> list[Any]:
    answer = _answer(url, json.dumps({"instances": images.tolist()}).encode())
    rows = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or len(rows) != len(images):
        raise ServerError(f"{url} gave no prediction for each of {len(images)} images: check that it is a predict API.")
    return rows


def _signature(metadata: Any) -> tuple[tuple[int | None, ...] | None, str]:
    """Returns shape and type of a batch of images, as far as a server's metadata tell them."""
    try:
        (spec,) = metadata["metadata"]["signature_def"]["signature_def"][SIGNATURE]["inputs"].values()
        sizes = [int(size["size"]) for size in spec["tensor_shape"]["dim"]]
        return tuple(size if size > 0 else None for size in sizes), TYPES.get(spec["dtype"], "float32")
    except (KeyError, TypeError):
        return None, "float32"
    except ValueError as error:
        raise InvalidInputError("has several inputs, and a teacher takes images alone.") from error


def _answer(url: str, message: bytes | None = None) -> Any:
    """Returns a server's answer, after retries if it is busy or away; None if it does not know what is asked."""
    return retry(lambda seconds: _attempt(url, message, seconds), DEADLINE_SECONDS)


def _attempt(url: str, message: bytes | None, seconds: float) -> Any:
    request = urllib.request.Request(url, message, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        if error.code in BUSY:
            raise Unavailable(f"{url} answered HTTP {error.code}: {error.reason}") from error
        if message is None:  # not every predict API has metadata
            return None
        said = " ".join(error.read(1000).decode(errors="replace").split())
        raise ServerError(f"{url} answered HTTP {error.code}: {said or error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{url}: {getattr(error, 'reason', None) or single_line(error)}") from error
    try:
        return json.loads(content)
    except ValueError as error:
        if message is None:
            return None
        raise ServerError(f"the answer of {url} is not JSON: check that it is a predict API.") from error
