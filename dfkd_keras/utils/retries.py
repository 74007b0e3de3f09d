"""Retries with exponential backoff until a deadline."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from dfkd_keras.utils.errors import InvalidInputError, ServerError, ServerTimeoutError

Answer = TypeVar("Answer")
_random = random.Random()  # of its own: what is built later must not depend on how often a request failed
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0


class Unavailable(ServerError):
    """The server could not be reached or is too busy: the same request may succeed later."""


def retry(attempt: Callable[[float], Answer], deadline_seconds: float) -> Answer:
    """Calls `attempt` until it returns, with growing pauses.

    Args:
        attempt: Callable. Takes the seconds that are left, and returns an answer or raises `Unavailable` to be called
            again. Any other error is raised.
        deadline_seconds: Float. Positive limit for all attempts and pauses together.

    Returns:
        The answer.

    Raises:
        ServerTimeoutError: If there was no answer before the deadline. It names the last error.
        InvalidInputError: If the deadline is not positive.
    """
    if not deadline_seconds > 0:
        raise InvalidInputError(f"deadline_seconds={deadline_seconds} must be a positive number of seconds.")
    end, pause = time.monotonic() + deadline_seconds, FIRST_PAUSE_SECONDS
    while True:
        try:
            return attempt(max(end - time.monotonic(), 1e-3))
        except Unavailable as error:
            wait = pause * _random.uniform(0.5, 1.0)  # clients that failed together must not return together
            if time.monotonic() + wait >= end:
                raise ServerTimeoutError(
                    f"the server gave no answer within {deadline_seconds:g} s ({error}): check that the server runs "
                    "there and can answer in that time."
                ) from error
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
