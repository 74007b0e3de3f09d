"""The base class of the clients of a served student."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dfkd_keras.data.image_files import check_files, check_images
from dfkd_keras.serving.answer import checked_answer
from dfkd_keras.utils.checks import is_number, is_whole
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, ServerError
from dfkd_keras.utils.retries import Unavailable, retry

MODEL = re.compile(r"\w[\w .+-]*")  # in the path of a URL, it must lead nowhere else
LARGEST_VERSION = 2**63 - 1
LONGEST_DEADLINE = 86_400.0


class PredictClient:
    """Sends images to a served student and returns its outputs.

    A subclass implements `_message`, `_send` and `_outputs` for its API.

    Args:
        address: String. Address of the server, as error messages name it.
        model: String. Name of the served model.
        version: Integer. Version of the served model; None for the server's choice.
        deadline_seconds: Float. Limit for one request with all its retries.

    Raises:
        InvalidInputError: If the name, the version or the deadline cannot be one.
    """

    def __init__(self, address: str, model: str, version: int | None, deadline_seconds: float):
        if not isinstance(model, str) or not MODEL.fullmatch(model):
            raise InvalidInputError(
                f"model {model!r} cannot be the name of a served model: give one of letters, digits, '.', '-' and '_'."
            )
        if version is not None and not (is_whole(version) and 0 <= version <= LARGEST_VERSION):
            raise InvalidInputError(f"version={version!r} must be a whole number from 0 to {LARGEST_VERSION}.")
        if not is_number(deadline_seconds) or not 0 < deadline_seconds <= LONGEST_DEADLINE:
            raise InvalidInputError(
                f"deadline_seconds={deadline_seconds!r} must be a positive number of seconds, at most "
                f"{LONGEST_DEADLINE:g}."
            )
        self.address, self.model, self.version, self.deadline_seconds = address, model, version, deadline_seconds

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Sends images and returns the student's outputs.

        Args:
            images: uint8 array `[N, H, W, C]`.

        Returns:
            A dictionary of arrays, whose first axis is that of the images: `logits` and `probabilities` `[N, K]`,
            `class_id` `[N]` and, if the served model has names, `class_name` `[N]`, with escapes for control
            characters. A segmenter returns a `mask` `[N, H, W]` instead of the last two.

        Raises:
            InvalidInputError: If the images do not fit, or the server refuses the request.
            ServerError: If the server fails or its answer is not that of a student.
            ServerTimeoutError: If there was no answer before the deadline.
        """
        check_images(images)
        return self._request("serving_default", images)

    def predict_encoded(self, files: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Sends image files, which the server decodes, and returns the student's outputs.

        Args:
            files: List of bytes. Contents of PNG or JPEG files.

        Returns:
            The outputs, as `predict` returns them.

        Raises:
            InvalidInputError: If there is no file, or the server refuses the request.
            ServerError: If the server fails or its answer is not that of a student.
            ServerTimeoutError: If there was no answer before the deadline.
        """
        check_files(files)
        return self._request("encoded", list(files))

    def _request(self, signature: str, images: np.ndarray | list[bytes]) -> dict[str, np.ndarray]:
        message = self._message(signature, images)
        answer = retry(lambda seconds: self._send(message, seconds), self.deadline_seconds)
        return checked_answer(self._outputs(answer, len(images)), self.address)

    def _message(self, signature: str, images: np.ndarray | list[bytes]) -> Any:
        """Returns the message to send, the same in every attempt."""
        raise NotImplementedError

    def _send(self, message: Any, seconds: float) -> Any:
        """Returns the answer to one attempt; raises what `error_of` returns if the server answers with an error."""
        raise NotImplementedError

    def _outputs(self, answer: Any, count: int) -> dict[str, np.ndarray]:
        """Returns the outputs for so many images by name; raises `ServerError` if the answer is not understood."""
        raise NotImplementedError


def error_of(message: str, busy: bool, refused: bool) -> DFKDError:
    """Returns the exception for an error that a server answers.

    Args:
        message: String. The server's address and answer, in one line.
        busy: Boolean. Whether the same request may succeed later.
        refused: Boolean. Whether the request is to blame, rather than the server.
    """
    if busy:
        return Unavailable(message)
    if refused:
        return InvalidInputError(f"{message}; correct the request, the model's name or its version.")
    return ServerError(f"{message}; see the server's log.")
