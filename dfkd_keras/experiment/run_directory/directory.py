"""The folder of one run: which files it holds, and which experiment it belongs to."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from dfkd_keras.experiment.run_directory.checkpoints import RECORD, WEIGHTS, CheckpointFolder
from dfkd_keras.experiment.run_directory.difference import differences, differing_bindings
from dfkd_keras.experiment.run_directory.own_files import CARD, any_number, check_own, is_card
from dfkd_keras.export import FORMATS
from dfkd_keras.utils.checks import is_number
from dfkd_keras.utils.errors import InvalidInputError, StorageError
from dfkd_keras.utils.files import (
    atomic_write,
    check_disk_space,
    is_negligible,
    is_temporary,
    read_json,
    remove,
    translate_write_errors,
)

LOCK = ".lock"
GRID = "epoch-{:06d}.png"
GENERATED = "# The operative configuration of a run, written by dfkd_keras."
MINIMUM_BYTES = 65_536  # free space below which the disk counts as full
SHOWN_DIFFERENCES = 3


class RunDirectory:
    """Names and writes the files of a run, each of them atomically.

    Args:
        path: String or `Path`. Path of the folder, which need not exist yet.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.identity = self.path / "identity.json"
        self.configuration = self.path / "config.gin"
        self.limits = self.path / "limits.json"
        self.metrics = self.path / "logs" / "metrics.csv"
        self.tensorboard = self.path / "logs" / "tensorboard"
        self.images = self.path / "images"
        self.test_images = self.images / "test.png"
        self.checkpoints = CheckpointFolder(self.path / "checkpoints")
        self.student = self.path / "student.keras"
        self.exports = self.path / "export"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"
        self.card = self.path / CARD
        self._claim: dict[Path, str] = {}  # what `claim` wrote, by file

    def grid(self, epoch: int) -> Path:
        """Returns where the grid of synthetic images that is drawn after an epoch, counted from 0, is."""
        return self.images / GRID.format(epoch + 1)

    def grids(self) -> list[Path]:
        """Returns the grids of synthetic images, the earliest first."""
        return sorted(self.images.glob(any_number(GRID)))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out of the folder, which is created if needed.

        A process that is killed leaves no lock behind.

        Raises:
            InvalidInputError: If another process uses the folder, or if the path is not a folder.
            StorageError: If the folder cannot be written.
        """
        lock, existed = FileLock(self.path / LOCK, timeout=0), self.path.exists()
        if existed and not self.path.is_dir():
            raise self._not_a_run_directory()
        was_run = self.configuration.exists()
        try:
            with self.translate_write_errors():
                self.path.mkdir(parents=True, exist_ok=True)
                lock.acquire()
        except Timeout as error:
            raise InvalidInputError(
                f"run_dir {str(self.path)!r} is in use by another process: wait until it ends, or choose another "
                "--run_dir."
            ) from error
        try:
            yield
        except InvalidInputError:
            if self._claim and not was_run and not any(self.checkpoints.path.glob("*")):
                self._clear()  # a new run that was refused, for instance by `fit`
                self._claim = {}
            raise
        finally:
            lock.release()
            self._leave(existed)

    def _leave(self, existed: bool) -> None:
        """Leaves a folder that can be used again, which a run failed in, or which was removed during the run."""
        if not self.path.is_dir() or self.configuration.exists():
            return
        remove(self.path / LOCK)
        for path, text in self._claim.items():  # what was written after the removal made the folder anew
            self.write_text(path, text)
        if not existed and not any(self.path.iterdir()):
            self.path.rmdir()

    @contextlib.contextmanager
    def translate_write_errors(self) -> Iterator[None]:
        """Raises what keeps a file from being written as a `StorageError` of one line.

        Raises:
            StorageError: If the operating system refused a file, if something failed and the disk is full, or if the
                folder was removed.
        """
        remedy = "free some space or grant access, or choose another --run_dir"
        with translate_write_errors(self.path, "run_dir {!r} cannot be written", remedy):
            try:
                yield
            except Exception as error:
                if self._claim and not self.configuration.exists():
                    raise StorageError(
                        f"run_dir {str(self.path)!r} was removed, or config.gin in it, while the run was going on: run "
                        "the same command again."
                    ) from error
                if not isinstance(error, OSError):
                    check_disk_space(self.path, MINIMUM_BYTES)  # libraries do not always say that the disk is full
                elif self._is_elsewhere(error.filename):
                    raise StorageError(
                        f"{error.filename!r} cannot be read or written ({error.strerror}): free some space or grant "
                        "access, and run the same command again."
                    ) from error
                raise

    def check_is_run_or_empty(self) -> None:
        """Raises `InvalidInputError` if the folder holds something other than a run; changes nothing."""
        if self.configuration.exists():
            return
        if any(path.name != LOCK and not is_negligible(path) for path in self.path.glob("*")):
            raise self._not_a_run_directory()

    def check_identity(self, identity: Mapping[str, Any], configuration: str | None = None) -> None:
        """Checks that an earlier run in the folder, if there is one, is of the same experiment; changes nothing.

        Args:
            identity: Dictionary. What determines the results, or a part of that. Only its keys are compared.
            configuration: String. The operative gin configuration, to name the bindings that differ. Defaults to None.

        Raises:
            InvalidInputError: If the folder holds the run of another experiment. The message lists what differs.
        """
        if not self.configuration.exists():
            return
        known = self.read_json(self.identity) if self.identity.exists() else {}
        known = {name: value for name, value in known.items() if name in identity}
        if differing := differences(known, json.loads(_json(identity))):
            bindings = (
                differing_bindings(self.configuration.read_text(encoding="utf-8"), configuration)
                if configuration
                else []
            )
            bindings = f", by the bindings {_listed(bindings)}" if bindings else ""
            raise InvalidInputError(
                f"run_dir {str(self.path)!r} holds a run of a different experiment ({_listed(differing)}{bindings}): "
                "choose another --run_dir, or start over in it with --noresume."
            )

    def claim(
        self, identity: Mapping[str, Any], configuration: str, resume: bool, max_minutes: float | None = None
    ) -> None:
        """Makes the folder that of an experiment.

        Args:
            identity: Dictionary. What was built. `check_identity` must have accepted it if `resume` is True.
            configuration: String. The operative gin configuration, which is written to `config.gin`.
            resume: Boolean. Whether an earlier run continues. If False, its files are removed.
            max_minutes: Float. The time limit of the training, which is written to `limits.json`. Defaults to None, no
                limit.

        Raises:
            StorageError: If the folder cannot be written.
            InvalidInputError: If files are to be removed, and one is a link or others would go with them.
        """
        with self.translate_write_errors():
            if not resume:
                self._clear()
            for path in [path for path in self.path.rglob(".*") if is_temporary(path)]:
                remove(path)
            claim = {
                self.identity: _json(identity),
                self.limits: _json({"max_minutes": max_minutes}),
                self.configuration: f"{GENERATED}\n{configuration}",
            }
            for path, text in claim.items():  # the configuration last: it makes the folder a run
                self.write_text(path, text)
            self._claim = claim

    def max_minutes(self) -> float | None:
        """Returns the time limit of the latest call, None if it had none or is of a version that did not record it.

        Raises:
            InvalidInputError: If `limits.json` cannot be read.
        """
        limit = self.read_json(self.limits).get("max_minutes") if self.limits.exists() else None
        return float(limit) if is_number(limit) else None

    def finished(self, max_minutes: float | None = None) -> dict[str, Any] | None:
        """Returns the results of a complete run.

        Args:
            max_minutes: Float. The time limit of the present call. A run that a lower limit ended is not complete.
                Defaults to None, no limit.

        Returns:
            What `results.json` holds, or None if the run is not complete.

        Raises:
            InvalidInputError: If `results.json` cannot be read.
        """
        if not self.results.exists():
            return None
        results = self.read_json(self.results)
        limit = results.get("max_minutes")
        higher = max_minutes is None or not is_number(limit) or max_minutes > limit
        return None if results.get("stopped_by") == "max_minutes" and higher else results

    def read_json(self, path: Path) -> dict[str, Any]:
        """Returns the dictionary in a JSON file of the run.

        Raises:
            InvalidInputError: If the file cannot be read, is damaged, or holds nothing.
        """
        return read_json(path, "restore it or grant access, or start over in its folder with --noresume")

    def write_json(self, path: Path, values: Mapping[str, Any]) -> None:
        """Writes a dictionary as JSON."""
        self.write_text(path, _json(values))

    def write_text(self, path: Path, text: str) -> None:
        """Writes a text file."""
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _is_elsewhere(self, file: str | None) -> bool:
        if file is None:
            return False
        file, folder = Path(file).resolve(), self.path.resolve()
        return not file.is_relative_to(folder) and not folder.is_relative_to(file)

    def _not_a_run_directory(self) -> InvalidInputError:
        return InvalidInputError(
            f"run_dir {str(self.path)!r} exists but is not a run directory: choose another --run_dir."
        )

    def _clear(self) -> None:
        # results.json goes first and config.gin last: a kill in between does not leave a folder that claims to hold
        # what is gone.
        exports = [f"{each.file}/{{}}" if each.versioned else each.file for each in FORMATS.values()]
        written = {
            self.metrics.parent: (self.metrics.name, self.tensorboard.name),
            self.images: (GRID, self.test_images.name),
            self.checkpoints.path: (WEIGHTS, RECORD),
            self.exports: (*exports, self.student.name, CARD),
        }
        cards = [self.card] if is_card(self.card) or self.card.is_symlink() else []
        described = (self.identity, self.limits, self.configuration)
        files = (self.results, self.report, *cards, self.student, *written, *described)
        check_own(self.path, files, written)
        for path in files:
            remove(path)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, default=np.generic.item) + "\n"


def _listed(differing: list[str]) -> str:
    more = len(differing) - SHOWN_DIFFERENCES
    return "; ".join(differing[:SHOWN_DIFFERENCES]) + (f", and {more} more" if more > 0 else "")
