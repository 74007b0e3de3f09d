"""The errors by which backends and Python report that memory does not suffice."""

import contextlib
import re
from collections.abc import Iterator

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, OutOfMemoryError

# TensorFlow's class of errors and the code that both backends begin or end the message with.
EXHAUSTED = re.compile(r"ResourceExhausted|RESOURCE_EXHAUSTED")


@contextlib.contextmanager
def translate_out_of_memory() -> Iterator[None]:
    """Raises what a backend raises if memory does not suffice as an `OutOfMemoryError` of one line.

    Raises:
        OutOfMemoryError: If the memory of the machine or of its accelerator does not suffice.
    """
    try:
        yield
    except DFKDError:
        raise
    except Exception as error:
        if not isinstance(error, MemoryError) and not EXHAUSTED.search(f"{type(error).__name__}: {error}"):
            raise
        raise OutOfMemoryError(
            f"the memory does not suffice ({single_line(error)[:200]}): lower batch_size, or use a device with more "
            "memory."
        ) from error
