"""What the clients of a served student have in common, whatever API they speak."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dfkd_keras.data.image_files import check_files, check_images
from dfkd_keras.serving.retries import Unavailable, ask


class PredictClient:
    """Asks a served student for its predictions.

    A subclass has the three methods that begin with an underscore and raise `NotImplementedError` here.

    Args:
        address: of the server, as errors name it.
        deadline_seconds: for one request with all its retries.
    """

    def __init__(self, address: str, deadline_seconds: float):
        self.address, self.deadline_seconds = address, deadline_seconds

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Sends images.

        Args:
            images: uint8 `[N, H, W, C]`.

        Returns:
            Each output by name, its first axis the images': `logits`, `probabilities`, `class_id` and, where the
            server knows names, `class_name`.

        Raises:
            ValueError: if the images are unfit, or the server refuses them.
            OSError: if the server fails; `TimeoutError` if it gives no answer before the deadline.
        """
        check_images(images)
        return self._ask("serving_default", images)

    def predict_encoded(self, files: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Sends the bytes of PNG or JPEG files, which the server decodes; otherwise as `predict`."""
        check_files(files)
        return self._ask("encoded", list(files))

    def _ask(self, signature: str, images: np.ndarray | list[bytes]) -> dict[str, np.ndarray]:
        message = self._message(signature, images)
        outputs = self._outputs(ask(lambda seconds: self._send(message, seconds), self.deadline_seconds))
        if not outputs or any(len(values) != len(images) for values in outputs.values()):
            raise OSError(f"{self.address} answered for another number of images than the {len(images)} it was sent.")
        return outputs

    def _message(self, signature: str, images: np.ndarray | list[bytes]) -> Any:
        """Returns what is sent, at each attempt the same."""
        raise NotImplementedError

    def _send(self, message: Any, seconds: float) -> Any:
        """Returns the answer to one attempt; raises what `failure` returns for an error that the server answers."""
        raise NotImplementedError

    def _outputs(self, answer: Any) -> dict[str, np.ndarray]:
        """Returns an answer's outputs by name; raises OSError for what is none."""
        raise NotImplementedError


def failure(told: str, busy: bool, refused: bool) -> Exception:
    """Returns what to raise for an error that a server answers.

    Args:
        told: who answered what, in one line.
        busy: whether the same request may succeed later.
        refused: whether the request is to blame; otherwise the server is.
    """
    if busy:
        return Unavailable(told)
    if refused:
        return ValueError(f"{told}; correct the request, the model's name or its version.")
    return OSError(f"{told}; see the server's log.")
