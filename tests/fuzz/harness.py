"""Runs one random case in a new folder, under a time limit, and says how it ended."""

import contextlib
import itertools
import os
import re
import signal
import tempfile
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dfkd_keras.utils.errors import DFKDError

OUTCOMES = ("right", "clear error", "unclear error", "foreign traceback", "silent nonsense", "hang", "left over")
FAULTS = OUTCOMES[2:]
REMEDY = re.compile(r"[:;.] -{0,2}[a-zA-Z]| must ")  # an error says what is wrong, and then what to do
GIN = re.compile(r"\s*In call to configurable .*", re.DOTALL)  # which it appends, and the command line cuts off
LIMIT_SECONDS = 10.0


class Case(NamedTuple):
    """What a family makes of random numbers.

    Attributes:
        attempt: Callable. Calls the package on the files of the case; raises `Nonsense` if the result is wrong.
        named: Tuple of strings. An error has to name one of them; empty where the value is not known.
        is_whole: Boolean. Whether nothing is wrong with the input, so that an error would be.
    """

    attempt: Callable[[], None]
    named: tuple[str, ...] = ()
    is_whole: bool = False


class Ending(NamedTuple):
    """How a case ended: one of `OUTCOMES`, and what was seen."""

    outcome: str
    seen: str


class Nonsense(Exception):
    """A result that is wrong, without an error."""


class Hang(BaseException):
    """The time limit was reached; not an `Exception`, which the package may translate."""


def expect(condition, description):
    """Raises `Nonsense` unless a condition holds."""
    if not condition:
        raise Nonsense(description)


def random_numbers(seed, family, number):
    """Returns the generator of a case, which depends on no other case."""
    return np.random.default_rng([seed, zlib.crc32(family.encode()), number])


def run_case(family, make, seed, number):
    """Runs the case that a family's function makes from a generator and an empty folder.

    The folder is named for the case, so that one which crashes the process leaves its name and its files.
    """
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{family}-{seed}-{number}-") as parent, _workplace(parent):
        Path(parent, "inputs").mkdir()
        case = make(random_numbers(seed, family, number), Path(parent, "inputs"))
        before = contents(parent)
        ending = _ending(case)
        if ending.outcome not in FAULTS and (new := contents(parent) - before):
            return Ending("left over", f"{sorted(new)[:3]} after {ending.outcome}: {ending.seen}")
        return ending


@contextlib.contextmanager
def _workplace(parent):
    """Makes folders within `parent` the working folder and that of temporary files, which are to stay empty."""
    before, tempfile.tempdir = tempfile.tempdir, os.path.join(parent, "temporary")
    os.mkdir(tempfile.tempdir)
    os.mkdir(working := os.path.join(parent, "working"))
    try:
        with contextlib.chdir(working):
            yield
    finally:
        tempfile.tempdir = before


def contents(folder):
    """Returns the paths of everything below a folder."""
    return {os.path.join(place, name) for place, *names in os.walk(folder) for name in itertools.chain(*names)}


def _ending(case):
    try:
        with _time_limit():
            case.attempt()
    except DFKDError as error:
        is_clear = _is_clear(line := GIN.sub("", str(error)), case.named) and not case.is_whole
        seen = f"{type(error).__name__}: {line!r}{' of a whole input' * case.is_whole}"
        return Ending("clear error" if is_clear else "unclear error", seen)
    except Nonsense as error:
        return Ending("silent nonsense", str(error))
    except Hang:
        return Ending("hang", traceback.format_exc(limit=-4))
    except (Exception, SystemExit):
        return Ending("foreign traceback", traceback.format_exc(limit=-4))
    return Ending("right", "")


def _is_clear(line, named):
    is_named = not named or any(name.lower() in line.lower() for name in named)
    return line.isprintable() and bool(REMEDY.search(line)) and is_named


@contextlib.contextmanager
def _time_limit():
    def stop(*_):
        raise Hang

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
