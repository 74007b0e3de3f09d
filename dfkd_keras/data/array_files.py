"""Arrays in `.npz` and `.npy` files, of which nothing is read before the headers are checked."""

import contextlib
import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from dfkd_keras.utils.checks import single_line

SUFFIX = ".npy"
READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LARGE_BYTES, MOST_EXPANSION = 1 << 28, 500  # images are not compressed to so little; a few bytes that fill a disk are


class UnreadableArrays(ValueError):
    """A file that is damaged, claims more than it holds, or does not hold an array. The message is the cause alone."""


class Headers(dict[str, np.ndarray]):
    """Stand-ins by the names of their arrays; it raises `UnreadableArrays` for the name of none."""

    def __missing__(self, name: str) -> np.ndarray:
        raise UnreadableArrays(f"there is no array {name!r}" if name else "it holds arrays by their names")


def array_headers(path: Path | str) -> Headers:
    """Returns stand-ins for the arrays in a file: of the same shape and type, without content and memory.

    Args:
        path: String or `Path`. Path of a `.npz` file, or of a `.npy` file, whose array has the name "".

    Raises:
        UnreadableArrays: If it is no such file, or an array claims more than the file holds.
    """
    with _reading(path):
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                return Headers({"": _header(file, os.path.getsize(path))})
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(SUFFIX)]
            return Headers({each.filename.removesuffix(SUFFIX): _member_header(archive, each) for each in members})


def read_array(path: Path | str, name: str = "") -> np.ndarray:
    """Returns an array in a file.

    Args:
        path: String or `Path`. As in `array_headers`.
        name: String. Name of the array. Defaults to that of a `.npy` file.

    Raises:
        UnreadableArrays: If it does not hold the array, or is damaged.
    """
    array_headers(path)[name]
    with _reading(path), contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(path):
            file = stack.enter_context(stack.enter_context(zipfile.ZipFile(path)).open(name + SUFFIX))
        else:
            file = stack.enter_context(open(path, "rb"))
        return np.lib.format.read_array(file, allow_pickle=False)


@contextlib.contextmanager
def _reading(path: Path | str) -> Iterator[None]:
    try:
        if not Path(path).is_file():  # a pipe would block
            raise UnreadableArrays("it is not a regular file")
        yield
    except UnreadableArrays:
        raise
    except Exception as error:  # NumPy, zipfile and the decompression raise errors of many kinds for damaged files
        raise UnreadableArrays(f"it cannot be read: {single_line(error)[:200]}") from error


def _member_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.file_size > max(LARGE_BYTES, MOST_EXPANSION * member.compress_size):
        raise UnreadableArrays(
            f"the {member.compress_size:,} bytes of {member.filename!r} would expand to {member.file_size:,}"
        )
    with archive.open(member) as file:
        return _header(file, member.file_size)


def _header(file: IO[bytes], size: int) -> np.ndarray:
    """Returns the stand-in for an array in a file of `size` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in READERS:
        raise UnreadableArrays(f"an array is of the unknown version {version}")
    shape, _, dtype = READERS[version](file)
    if dtype.hasobject:
        raise UnreadableArrays("an array holds Python objects, which may run code")
    claimed, held = math.prod(shape) * max(1, dtype.itemsize), size - file.tell()
    if min(shape, default=0) < 0 or claimed > held:
        raise UnreadableArrays(f"an array of the shape {shape} needs {claimed:,} bytes, and the file holds {held:,}")
    return np.broadcast_to(np.empty((), dtype), shape)
