"""Numbered versions of a served model, each of which appears complete and under the next free number."""

import errno
import os
import re
from pathlib import Path

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import fsync, is_negligible

VERSION = re.compile(r"[0-9]{1,18}")


def publish_version(aside: Path, folder: Path) -> Path:
    """Moves a complete export to the next free number of a folder; exports at the same time get different numbers.

    Args:
        aside: Path. Folder of the export, on the same file system.
        folder: Path. Folder of the versions, created if it does not exist.

    Returns:
        Path of the version's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fsync(aside, *aside.rglob("*"))
    while True:
        target = folder / str(next_version(folder))
        try:
            os.rename(aside, target)
            fsync(folder)
            return target
        except OSError as error:  # another process took the number
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def check_versions(folder: Path) -> None:
    """Raises InvalidInputError if a folder holds anything but versions."""
    if not folder.exists():
        return
    others = [folder] if not folder.is_dir() else [path for path in folder.iterdir() if not is_version(path)]
    if others := sorted(path.name for path in others if not is_negligible(path)):
        raise InvalidInputError(
            f"{str(folder)!r} must hold numbered versions only, but there is {others[0]!r}: choose another folder."
        )


def next_version(folder: Path) -> int:
    """Returns the number after the largest in a folder, since a server loads the version with the largest number."""
    return 1 + max(versions(folder), default=0)


def versions(folder: Path) -> list[int]:
    """Returns the version numbers in a folder, in order; none if it does not exist. Unfinished exports do not count."""
    return sorted(int(path.name) for path in folder.glob("*") if is_version(path))


def is_version(path: Path) -> bool:
    """Returns whether a path is a numbered version, as TF Serving counts them: digits of a 64-bit number."""
    return VERSION.fullmatch(path.name) is not None and path.is_dir()
