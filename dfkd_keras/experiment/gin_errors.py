"""Tells mistakes in a gin configuration that show when its parts are built from errors in code."""

import contextlib
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from types import FrameType

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError

# What gin appends to the message of an error: to a TypeError if arguments are missing, and to each the configurable.
MISSING = r"No values supplied by Gin or caller for arguments: (\[.*?\])"
CONFIGURABLE = r" ?In call to configurable '(\w+)' \((.*?)\)"
DEEP = 10  # calls of one part within another, of which no configuration has so many


@contextlib.contextmanager
def translate_gin_errors() -> Iterator[None]:
    """Raises an error that the configuration is at fault for as an `InvalidInputError` of one line.

    These are a part that lacks an argument, a part that refers to itself, and a part of Keras that refuses a value.
    What other parts raise stays as it is, since it may be a bug.

    Raises:
        InvalidInputError: If the configuration is at fault.
    """
    try:
        yield
    except DFKDError:
        raise
    except RecursionError as error:
        parts = Counter(
            frame.f_locals["selector"] for frame, _ in traceback.walk_tb(error.__traceback__) if _is_gins(frame)
        )
        part, depth = max(parts.items(), key=lambda item: item[1], default=("", 0))
        if depth < DEEP:
            raise
        raise InvalidInputError(
            f"the configuration of {part.rsplit('.', 1)[-1]} refers to itself: correct the bindings that lead back to "
            "it by an @."
        ) from error
    except (TypeError, ValueError) as error:
        text = single_line(error)
        if not (innermost := re.search(CONFIGURABLE, text)):
            raise
        cause, (name, part) = text[: innermost.start()], innermost.groups()
        if missing := re.search(MISSING, cause):
            raise InvalidInputError(
                f"the configuration is incomplete ({name} lacks {missing[1]}): give a method's file such as "
                "--gin_file=rdskd.gin first, or bind what is lacking."
            ) from error
        if part.startswith("<class 'keras."):
            raise InvalidInputError(f"{name} refuses its configuration ({cause}): correct its bindings.") from error
        raise


def _is_gins(frame: FrameType) -> bool:
    """Returns whether gin calls a part in a frame of the stack."""
    return frame.f_code.co_name == "gin_wrapper" and "selector" in frame.f_locals
