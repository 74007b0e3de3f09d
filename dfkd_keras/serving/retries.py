"""Asking again while a server is not there or too busy, until a deadline."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from dfkd_keras.utils.errors import InvalidInputError

Answer = TypeVar("Answer")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0


class Unavailable(ConnectionError):
    """The server could not be reached or asked to be left alone for now: the same request may succeed later."""


def ask(attempt: Callable[[float], Answer], deadline_seconds: float) -> Answer:
    """Calls `attempt` until it answers, with growing pauses.

    Args:
        attempt: takes the seconds that are left and answers, or raises `Unavailable` to be called again; any other
            error ends the asking.
        deadline_seconds: for all attempts and pauses together; positive.

    Returns:
        The answer.

    Raises:
        TimeoutError: if there was none in time; it names the last error.
        ValueError: if the deadline is not positive.
    """
    if not deadline_seconds > 0:
        raise InvalidInputError(f"deadline_seconds={deadline_seconds} must be a positive number of seconds.")
    end, pause = time.monotonic() + deadline_seconds, FIRST_PAUSE_SECONDS
    while True:
        try:
            return attempt(max(end - time.monotonic(), 1e-3))
        except Unavailable as error:
            wait = pause * random.uniform(0.5, 1.0)  # clients that failed together do not come back together
            if time.monotonic() + wait >= end:
                raise TimeoutError(
                    f"no answer within {deadline_seconds:g} s ({error}): check that the server runs there, or give it "
                    "more time."
                ) from error
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
