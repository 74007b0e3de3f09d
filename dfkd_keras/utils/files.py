"""Files and folders that are written as a whole or not at all, and the JSON in them."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, StorageError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IS_WINDOWS = os.name == "nt"
OF_FILE_MANAGERS = (".DS_Store", "Thumbs.db", "desktop.ini")


@contextlib.contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; what is written there replaces the target at the end of the block.

    If writing fails, or a file would replace a folder, the target stays as it was and the temporary file is removed.
    The data are flushed to the disk before the replacement, so a power failure leaves the old target or the new one.
    The temporary name keeps the target's suffix, by which Keras chooses the format.

    Args:
        target: String or `Path`. The final path of a file or folder; its parent folders are created.

    Yields:
        `Path` to write to.
    """
    with temporary_path(target) as temporary:
        yield temporary
        replace(temporary, Path(target))


@contextlib.contextmanager
def temporary_path(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`, and removes at the end what is still there."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden("writing", target)
    try:
        yield temporary
    finally:
        remove(temporary)


def replace(source: Path, target: Path) -> None:
    """Moves `source` to `target`; an existing folder is renamed first and removed last.

    Raises:
        IsADirectoryError: If a file would replace a folder, with all that is in it.
    """
    if target.is_dir() and not source.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(target))
    fsync(source, *source.rglob("*"))
    if not target.is_dir():
        os.replace(source, target)
        fsync(target.parent)
        return
    old = _hidden("old", target)
    os.rename(target, old)
    try:
        os.rename(source, target)
    except OSError:
        os.rename(old, target)
        raise
    fsync(target.parent)
    remove(old)


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Returns the dictionary in a JSON file.

    Args:
        path: `Path`.
        remedy: String. What the user can do about a file that cannot be read.

    Raises:
        InvalidInputError: If the file cannot be read, is damaged, or holds nothing.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not values:
            raise ValueError(f"it holds {json.dumps(values)[:20]}")
        return values
    except (OSError, RecursionError, ValueError) as error:
        raise InvalidInputError(f"{str(path)!r} cannot be read ({single_line(error)}): {remedy}.") from error


def check_disk_space(folder: Path, size: int) -> None:
    """Raises OSError if a folder's disk has no room for a file of `size` bytes, on systems that can reserve space."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in DISK_FULL:  # other codes mean that the file system cannot reserve space
            raise


@contextlib.contextmanager
def translate_write_errors(
    path: Path | str,
    failure: str = "{!r} cannot be written",
    remedy: str = "make room or grant access, or choose another path",
    errors: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Raises what keeps a file or folder from being written as a `StorageError` of one line.

    Args:
        path: String or `Path`. The file or folder to write, as the user named it.
        failure: String. What failed, where the path is filled in.
        remedy: String. What the user can do.
        errors: Tuple of exceptions. Classes of a library's errors that mean the same here as those of the system.
            Defaults to none; that a disk is full is recognized in the messages of all errors.

    Raises:
        StorageError: If the operating system refused a file.
    """
    try:
        yield
    except DFKDError:
        raise
    except Exception as error:
        if (cause := write_error(error, errors)) is None:
            raise
        raise StorageError(f"{failure.format(str(path))} ({_reason(cause, Path(path))}): {remedy}.") from error


def write_error(error: Exception, errors: tuple[type[Exception], ...]) -> Exception | None:
    """Returns what kept a file from being written, if an error is about that, otherwise None.

    Args:
        error: Exception. Any error.
        errors: Tuple of exceptions. As in `translate_write_errors`.

    Returns:
        The error itself, or the system's "disk full" error whose text it contains.
    """
    network = isinstance(error, (ConnectionError, TimeoutError))
    if isinstance(error, errors) or (isinstance(error, OSError) and error.errno and not network):
        return error
    disk_full = (OSError(number, os.strerror(number)) for number in DISK_FULL)
    return next((full for full in disk_full if full.strerror in str(error)), None)


def _reason(error: Exception, path: Path) -> str:
    reason, file = getattr(error, "strerror", None), getattr(error, "filename", None)
    if not reason:
        return single_line(error)
    return reason if file is None or Path(file) == path else f"{reason}: {file}"


def fsync(*paths: Path) -> None:
    """Flushes files and folders to the disk; on Windows files alone, as it cannot open folders."""
    for path in paths:
        if IS_WINDOWS and path.is_dir():
            continue
        opened = os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)  # Windows flushes only what may be written
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_temporary(path: Path) -> bool:
    """Returns whether a path is a temporary file or folder that a killed process left behind."""
    return path.name.startswith((".writing-", ".old-"))


def is_negligible(path: Path) -> bool:
    """Returns whether a path is nothing that a user put there: a temporary one, or one that a file manager adds."""
    return is_temporary(path) or path.name in OF_FILE_MANAGERS


def _hidden(what: str, target: Path) -> Path:
    # Processes in containers that share a volume often have the same process id.
    return target.with_name(f".{what}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{target.name}")


def remove(path: Path) -> None:
    """Removes a file or folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
