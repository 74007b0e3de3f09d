"""Which format a model file is of, by its content rather than by its name."""

import contextlib
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from dfkd_keras.utils.errors import InvalidInputError, NotFoundError, StorageError

Format = Literal["keras", "hdf5", "json", "savedmodel", "onnx", "litert"]

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK"
LITERT = b"TFL3"  # from the fifth byte on
JSON = (b"{", b"[", b'"')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ONNX = b"\x08"  # the first field of its protocol buffer, a small number
KNOWN = ".keras, .h5, the JSON of an architecture, a SavedModel folder, .onnx and .tflite"


def file_format(path: Path) -> Format:
    """Returns the format of a model file or folder.

    Args:
        path: Path. The file or folder.

    Raises:
        NotFoundError: If it does not exist.
        StorageError: If it cannot be read.
        InvalidInputError: If it is of no known format.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise NotFoundError(f"model file {str(path)!r} does not exist: check the path (here: {Path.cwd()}).") from error
    if stat.S_ISDIR(mode):
        return _folder_format(path)
    if not stat.S_ISREG(mode):  # reading a pipe or a device might never end
        raise InvalidInputError(f"model file {str(path)!r} is no regular file: give {KNOWN}.")
    return _content_format(path)


@contextlib.contextmanager
def suffixed(path: Path, suffix: str) -> Iterator[Path]:
    """Yields the path of a file under a name that ends as the libraries expect it."""
    if path.name.endswith(suffix):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(path.resolve())
        yield link


def _folder_format(path: Path) -> Format:
    if (path / "saved_model.pb").is_file():
        return "savedmodel"
    if (path / "config.json").is_file():
        return "keras"
    versions = sorted(each.parent.name for each in path.glob("*/saved_model.pb"))
    hint = f"name one of its versions, such as {path / versions[0]}" if versions else f"give {KNOWN}"
    raise InvalidInputError(f"folder {str(path)!r} holds no saved_model.pb: {hint}.")


def _content_format(path: Path) -> Format:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise StorageError(
            f"model file {str(path)!r} cannot be read ({error.strerror}): grant access, or give another one."
        ) from error
    if start.startswith(HDF5):
        return "hdf5"
    if start.startswith(ZIP):
        return "keras"
    if start[4:8] == LITERT:
        return "litert"
    if start.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in JSON:
        return "json"
    if start.startswith(ONNX):
        return "onnx"
    raise InvalidInputError(
        f"model file {str(path)!r} is {'of no known format' if start else 'empty'}: it may be damaged; give {KNOWN}."
    )
