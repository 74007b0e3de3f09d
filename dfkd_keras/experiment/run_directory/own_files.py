"""Which files of a run's folder are the run's, so that starting over deletes nothing else."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import is_negligible

# In each folder of a run, as patterns of paths; a * includes what is below.
WRITTEN = {
    "logs": ("metrics.csv", "tensorboard/*"),
    "images": ("epoch-*.png", "test.png"),
    "checkpoints": ("step-*",),
    "export": ("student/[0-9]*", "student.*", "student_*.tflite", "README.md"),
}
UNFINISHED = (".writing-*/*", ".old-*/*", "*/.writing-*", "*/.old-*")  # folders that a killed process left


def check_own(run: Path, parts: Sequence[Path]) -> None:
    """Checks that a run can be deleted without anything that is not its own.

    Args:
        run: `Path`. The run's folder.
        parts: Sequence of `Path`s. The files and folders that are to be deleted.

    Raises:
        InvalidInputError: If one of them is a link, or a folder holds files that a run does not write.
    """
    if linked := [path for path in parts if path.is_symlink()]:
        raise InvalidInputError(
            f"run_dir {str(run)!r} cannot be started over, because {linked[0].name!r} in it is a link to "
            f"{str(linked[0].resolve())!r}, whose contents may not be the run's: remove the link, or choose another "
            "--run_dir."
        )
    if foreign := next((path for folder in WRITTEN for path in _foreign_files(run / folder)), None):
        raise InvalidInputError(
            f"run_dir {str(run)!r} cannot be started over, because {foreign.relative_to(run).as_posix()!r} in it is "
            "not the run's and would be lost: move it, or choose another --run_dir."
        )


def _foreign_files(folder: Path) -> list[Path]:
    patterns = (*WRITTEN[folder.name], *UNFINISHED)
    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    files = [path for path in files if not is_negligible(path)]
    return [path for path in files if not any(fnmatch(path.relative_to(folder).as_posix(), each) for each in patterns)]
