"""Writing files and folders whole or not at all."""

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What reading arrays raises if a file is damaged, or holds others.
NO_SUCH_ARRAYS = (KeyError, IndexError, OSError, ValueError, EOFError, zipfile.BadZipFile)


@contextlib.contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` to write a file or folder to, which then takes the target's place.

    If the writing fails, what was at `target` stays as it was and what was written is removed. What takes its place is
    on the disk by then, should the power fail. The temporary name keeps the target's suffix, which Keras looks at.

    Args:
        target: the final path; its parent folders are created.
    """
    with temporary_path(target) as aside:
        yield aside
        replace(aside, Path(target))


@contextlib.contextmanager
def temporary_path(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` to write to; what is not moved away from there in the end is removed."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = _hidden("writing", target)
    try:
        yield aside
    finally:
        remove(aside)


def replace(source: Path, target: Path) -> None:
    """Moves `source` to `target`, a folder there being moved away first and removed last."""
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


def check_disk_space(folder: Path, size: int) -> None:
    """Raises OSError if a folder has no room for a file of so many bytes, where the system tells beforehand."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in NO_ROOM:  # rather than a file system that cannot tell
            raise


def as_disk_full_error(error: Exception) -> OSError | None:
    """Returns the system's error for want of room if an error, of whatever library, tells of it in its text."""
    errors = (OSError(number, os.strerror(number)) for number in NO_ROOM)
    return next((full for full in errors if full.strerror in str(error)), None)


def fsync(*paths: Path) -> None:
    """Waits until what was written to files, or into folders, is on the disk."""
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_temporary(path: Path) -> bool:
    """Returns whether a path is what a killed process was writing or replacing."""
    return path.name.startswith((".writing-", ".old-"))


def _hidden(what: str, target: Path) -> Path:
    # Processes in containers that share a volume often have the same number.
    return target.with_name(f".{what}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{target.name}")


def remove(path: Path) -> None:
    """Removes a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
