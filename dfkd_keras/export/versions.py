"""Numbered versions of a served model: each appears whole, under the next free number."""

import errno
import os
from pathlib import Path

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import fsync, is_temporary


def publish_version(aside: Path, folder: Path) -> Path:
    """Moves a finished export to the next free number of `folder`; exports at the same time get others.

    Args:
        aside: what was exported, on the same file system.
        folder: of the versions, made if need be.

    Returns:
        The version's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fsync(aside, *aside.rglob("*"))
    while True:
        target = folder / str(next_version(folder))
        try:
            os.rename(aside, target)
            fsync(folder)
            return target
        except OSError as error:  # somebody else took the number
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def check_versions(folder: Path) -> None:
    """Raises ValueError if a folder holds something else than versions."""
    if not folder.exists():
        return
    strangers = [folder] if not folder.is_dir() else [path for path in folder.iterdir() if not is_version(path)]
    if strangers := sorted(path.name for path in strangers if not is_temporary(path)):
        raise InvalidInputError(
            f"{str(folder)!r} is to hold numbered versions only, but there is {strangers[0]!r}: choose another folder."
        )


def next_version(folder: Path) -> int:
    """Returns the number after the largest in a folder, since a server looks for higher ones than it has."""
    return 1 + max(versions(folder), default=0)


def versions(folder: Path) -> list[int]:
    """Returns the numbers of the versions in a folder, in order; an unfinished export, or no folder, has none."""
    return sorted(int(path.name) for path in folder.glob("*") if is_version(path))


def is_version(path: Path) -> bool:
    """Returns whether a path is a numbered version."""
    return path.name.isdecimal() and path.is_dir()
