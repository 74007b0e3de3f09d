"""Tells mistakes in a gin configuration that show when its parts are built from errors in code."""

import contextlib
import re
from collections.abc import Iterator

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError

# What gin appends to the message of an error: to a TypeError if arguments are missing, and to each the configurable.
MISSING = r"No values supplied by Gin or caller for arguments: (\[.*?\])"
CONFIGURABLE = r" ?In call to configurable '(\w+)' \((.*?)\)"


@contextlib.contextmanager
def translate_gin_errors() -> Iterator[None]:
    """Raises an error that the configuration is at fault for as an `InvalidInputError` of one line.

    These are a part that lacks an argument, and a part of Keras that refuses a value. What other parts raise stays as
    it is, since it may be a bug.

    Raises:
        InvalidInputError: If the configuration is at fault.
    """
    try:
        yield
    except DFKDError:
        raise
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
