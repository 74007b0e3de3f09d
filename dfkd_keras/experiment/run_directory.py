"""The folder of one run: what is in it, and that it belongs to one configuration."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dfkd_keras.experiment.training.checkpoints import CheckpointFolder
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import as_disk_full_error, atomic_write, check_disk_space, is_temporary, remove

LOCK = ".lock"
HEADER = "# configuration "
ROOM = 65_536  # bytes, without which a folder counts as full


class RunDirectory:
    """Names and writes the files of a run, each of them whole or not at all.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.configuration = self.path / "config.gin"
        self.metrics = self.path / "logs" / "metrics.csv"
        self.tensorboard = self.path / "logs" / "tensorboard"
        self.images = self.path / "images"
        self.test_images = self.images / "test.png"
        self.checkpoints = CheckpointFolder(self.path / "checkpoints")
        self.student = self.path / "student.keras"
        self.exports = self.path / "export" / "student"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out of the folder, which is made if need be; a killed process leaves no lock.

        Raises:
            ValueError: if another process is in it, or if it is no folder.
            OSError: if the folder cannot be written.
        """
        lock, existed = FileLock(self.path / LOCK, timeout=0), self.path.exists()
        if existed and not self.path.is_dir():
            raise InvalidInputError(f"run_dir {str(self.path)!r} exists and is no run: choose another --run_dir.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise InvalidInputError(
                f"run_dir {str(self.path)!r} is in use by another process: wait for its end, or choose another "
                "--run_dir."
            ) from error
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            yield
        finally:
            lock.release()
            if not self.configuration.exists():  # it came to nothing
                remove(self.path / LOCK)
                if not existed and not any(self.path.iterdir()):
                    self.path.rmdir()

    @contextlib.contextmanager
    def translate_disk_full(self) -> Iterator[None]:
        """Tells of a full disk as such, in whatever way the libraries that write to the folder do.

        Raises:
            OSError: if something failed, and there is no room in the folder.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and (error.errno is None or self._is_elsewhere(error.filename)):
                raise  # ours, which tells what could not be written; or that of a file of another folder
            if full := as_disk_full_error(error):  # there may be some left, for smaller files
                raise self._not_writable(full) from error
            try:
                check_disk_space(self.path, ROOM)
            except OSError as full:
                raise self._not_writable(full) from error
            raise

    def check(self, configuration: str, resume: bool) -> None:
        """Checks, and changes nothing, whether the folder may become or is this configuration's.

        Args:
            configuration: the whole configuration as text.
            resume: whether an earlier run in the folder is to go on, rather than to be replaced.

        Raises:
            ValueError: if the folder holds the run of another configuration, or something else.
        """
        if not self.configuration.exists():
            if any(path.name != LOCK and not is_temporary(path) for path in self.path.glob("*")):
                raise InvalidInputError(f"run_dir {str(self.path)!r} exists and is no run: choose another --run_dir.")
        elif resume and self.configuration.read_text().split("\n", 1)[0] != HEADER + digest(configuration):
            raise InvalidInputError(
                f"run_dir {str(self.path)!r} holds a run of a different configuration (its config.gin): choose "
                "another --run_dir, or start over in it with --noresume."
            )

    def claim(self, configuration: str, operative: str, resume: bool) -> None:
        """Makes the folder this configuration's.

        Args:
            configuration: as in `check`, which must have passed.
            operative: what to write as the configuration: all parameters that have an effect.
            resume: as in `check`; if not, an earlier run's files are removed.

        Raises:
            OSError: if the folder cannot be written.
        """
        if not resume:
            self._clear()
        for path in [path for path in self.path.rglob(".*") if is_temporary(path)]:
            remove(path)
        try:
            self.write_text(self.configuration, f"{HEADER}{digest(configuration)}\n{operative}")
        except OSError as error:
            raise self._not_writable(error) from error

    def finished(self, max_minutes: float | None = None) -> dict[str, Any] | None:
        """Returns the results if the run is complete, or was ended by a limit no lower than `max_minutes`."""
        if not self.results.exists():
            return None
        results = json.loads(self.results.read_text())
        limit = results.get("max_minutes")
        may_go_on = results.get("stopped_by") == "max_minutes" and (max_minutes is None or max_minutes > limit)
        return None if may_go_on else results

    def write_json(self, path: Path, values: Mapping[str, Any]) -> None:
        """Writes a mapping as JSON."""
        self.write_text(path, json.dumps(values, indent=2) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Writes a text file."""
        with atomic_write(path) as aside:
            aside.write_text(text)

    def _is_elsewhere(self, file: str | None) -> bool:
        return file is not None and not Path(file).resolve().is_relative_to(self.path.resolve())

    def _not_writable(self, error: OSError) -> OSError:
        return OSError(
            f"run_dir {str(self.path)!r} cannot be written ({error.strerror}): make room or grant access, or choose "
            "another --run_dir."
        )

    def _clear(self) -> None:
        # What makes the folder a finished run goes first, what makes it a run at all last: a kill in between does
        # not leave it claiming what is no longer there.
        folders = (self.path / "logs", self.images, self.checkpoints.path, self.path / "export")
        for path in (self.results, self.report, self.student, *folders, self.configuration):
            remove(path)


def digest(configuration: str) -> str:
    """Returns what tells one configuration from another."""
    return hashlib.sha256(configuration.encode()).hexdigest()[:16]
