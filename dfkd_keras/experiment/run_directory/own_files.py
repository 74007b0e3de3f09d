"""Which files of a run's folder are the run's, so that starting over deletes nothing else."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import is_negligible, is_temporary

CARD = "README.md"
CARD_MARK = "library_name:"  # in the header of a model card
NUMBER = re.compile(r"\{.*?\}")  # in a name such as "epoch-{:06d}.png", to which `str.format` gives it


def check_own(run: Path, parts: Sequence[Path], written: Mapping[Path, Sequence[str]]) -> None:
    """Checks that a run can be deleted without anything that is not its own.

    Args:
        run: `Path`. The run's folder.
        parts: Sequence of `Path`s. The files and folders that are to be deleted.
        written: Dictionary. The names of what a run writes into each of these folders, with a `{}` for a number; all
            that is in a folder of such a name is the run's.

    Raises:
        InvalidInputError: If one of them is a link, or a folder holds files that a run does not write.
    """
    if linked := [path for path in parts if path.is_symlink()]:
        raise InvalidInputError(
            f"run_dir {str(run)!r} cannot be started over, because {linked[0].name!r} in it is a link to "
            f"{str(linked[0].resolve())!r}, whose contents may not be the run's: remove the link, or choose another "
            "--run_dir."
        )
    if foreign := next((path for folder, names in written.items() for path in _foreign_files(folder, names)), None):
        raise InvalidInputError(
            f"run_dir {str(run)!r} cannot be started over, because {foreign.relative_to(run).as_posix()!r} in it is "
            "not the run's and would be lost: move it, or choose another --run_dir."
        )


def is_card(path: Path) -> bool:
    """Returns whether a file is a model card, not notes of the user's under the same name."""
    return path.is_file() and CARD_MARK in path.read_text(errors="replace", encoding="utf-8")[:1000]


def any_number(name: str) -> str:
    """Returns the pattern, for `glob`, of the files that a name with a `{}` for a number stands for."""
    return NUMBER.sub("*", name)


def _foreign_files(folder: Path, names: Sequence[str]) -> list[Path]:
    own = [re.compile(r"\d+".join(map(re.escape, NUMBER.split(name)))) for name in names]

    def is_own(path: Path) -> bool:
        above = [path, *path.parents]
        return any(is_temporary(each) or any(name.fullmatch(each.as_posix()) for name in own) for each in above)

    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return [path for path in files if not is_negligible(path) and not is_own(path.relative_to(folder))]
