import itertools

import pytest

from dfkd_keras.utils import retries
from dfkd_keras.utils.errors import ServerError, ServerTimeoutError
from dfkd_keras.utils.retries import Unavailable, retry


@pytest.fixture
def clock(monkeypatch):
    """Makes time pass by sleeping alone, and returns the pauses."""
    pauses = []
    monkeypatch.setattr("time.monotonic", lambda: sum(pauses))
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr(retries._random, "uniform", lambda low, high: high)
    return pauses


def test_what_is_unavailable_is_tried_again_after_growing_pauses(clock):
    left, attempts = [], itertools.count()

    def attempt(seconds):
        left.append(seconds)
        if next(attempts) < 8:
            raise Unavailable("busy")
        return "answer"

    assert retry(attempt, 60.0) == "answer"
    assert clock == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert left[0] == 60.0 and left[-1] == pytest.approx(60.0 - sum(clock))


def test_the_deadline_covers_attempts_and_pauses(clock):
    def attempt(seconds):
        raise Unavailable("server: refused")

    with pytest.raises(ServerTimeoutError, match=r"no answer within 0\.5 s \(server: refused\): check that the server"):
        retry(attempt, 0.5)
    assert clock == pytest.approx([0.05, 0.1, 0.2])


def test_another_error_is_raised_at_once(clock):
    def attempt(seconds):
        raise ServerError("broken")

    with pytest.raises(ServerError, match="broken"):
        retry(attempt, 5.0)
    assert clock == []
