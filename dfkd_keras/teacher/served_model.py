"""A model that a server answers for, over TF Serving's REST predict API."""

import json
import re
from typing import Any

import numpy as np

from dfkd_keras.teacher.black_box import Runtime
from dfkd_keras.utils.errors import InvalidInputError, ServerError
from dfkd_keras.utils.http_requests import HttpError, is_url, request_json
from dfkd_keras.utils.predict_api import outputs_in
from dfkd_keras.utils.retries import Unavailable, retry

DEADLINE_SECONDS = 60.0
IMAGES_PER_REQUEST, VALUES_PER_REQUEST = 64, 1 << 20  # at most; a value takes some 20 bytes of JSON
TOO_MUCH, NOT_ALLOWED = (400, 413), (401, 403)  # statuses; TF Serving answers 400 to batches above its limit
SIGNATURE = "serving_default"
URL = re.compile(r"https?://[^/\s]+(/[^\s]*)?/v1/models/[^/\s]+(/versions/\d+)?")
TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_UINT8": "uint8", "DT_INT8": "int8"}
Shape = tuple[int | None, ...]


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
    if not URL.fullmatch(url) or not is_url(url):
        raise InvalidInputError(
            "is no URL of a served model: give one such as http://localhost:8501/v1/models/student."
        )
    shape, dtype = _signature(_metadata(url))

    most = IMAGES_PER_REQUEST

    def function(images: np.ndarray) -> Any:
        nonlocal most
        parts, done = [], 0
        while done < len(images):
            size = max(1, min(most, VALUES_PER_REQUEST // images[0].size, len(images) - done))
            try:
                parts.append(_predictions(f"{url}:predict", images[done : done + size]))
                done += size
            except HttpError as error:
                if error.status not in TOO_MUCH or size == 1:
                    raise ServerError(f"{error}; {_remedy(error.status)}.") from error
                most = size // 2
        if isinstance(parts[0], dict):
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return np.concatenate(parts)

    return Runtime(function, shape, dtype)


def _predictions(url: str, images: np.ndarray) -> dict[str, np.ndarray] | np.ndarray:
    message = json.dumps({"instances": images.tolist()}).encode()
    answer = retry(lambda seconds: request_json(url, message, seconds), DEADLINE_SECONDS)
    return outputs_in(answer, len(images), url)


def _remedy(status: int) -> str:
    if status in NOT_ALLOWED:
        return "name a Python function that sends what the server asks for, as --teacher=module:function"
    return "check the model's URL, and see the server's log"


def _metadata(url: str) -> Any:
    """Returns what a server tells about a model; None if it tells nothing, as not every predict API does."""

    def attempt(seconds: float) -> Any:
        try:
            return request_json(f"{url}/metadata", None, seconds)
        except Unavailable:
            raise
        except ServerError:
            return None

    return retry(attempt, DEADLINE_SECONDS)


def _signature(metadata: Any) -> tuple[Shape | None, str]:
    """Returns shape and type of a batch of images, as far as a server's metadata tell them."""
    try:
        specs = list(metadata["metadata"]["signature_def"]["signature_def"][SIGNATURE]["inputs"].values())
        sizes = [int(size["size"]) for size in specs[0]["tensor_shape"]["dim"]]
        shape, dtype = tuple(size if size > 0 else None for size in sizes), TYPES.get(specs[0]["dtype"], "float32")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None, "float32"
    if len(specs) > 1:
        raise InvalidInputError("has several inputs, and a teacher takes images alone.")
    return shape, dtype
