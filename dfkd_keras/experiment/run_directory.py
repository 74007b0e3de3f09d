"""The folder of one run: what is in it, and that it belongs to one configuration."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_keras.files import is_leftover, remove, written_aside

KEPT_CHECKPOINTS = 2
HEADER = "# configuration "


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
        self.checkpoints = self.path / "checkpoints"
        self.student = self.path / "student.keras"
        self.exports = self.path / "export" / "student"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"

    def check(self, configuration: str, resume: bool) -> None:
        """Checks, and changes nothing, whether the folder may become or is this configuration's.

        Args:
            configuration: the whole configuration as text.
            resume: whether an earlier run in the folder is to go on, rather than to be replaced.

        Raises:
            ValueError: if the folder holds the run of another configuration, or something else.
        """
        if not self.configuration.exists():
            if self.path.exists() and not (self.path.is_dir() and all(map(is_leftover, self.path.iterdir()))):
                raise ValueError(f"run_dir {str(self.path)!r} exists and is no run: choose another --run_dir.")
        elif resume and self.configuration.read_text().split("\n", 1)[0] != HEADER + digest(configuration):
            raise ValueError(
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
        for path in [path for path in self.path.rglob(".*") if is_leftover(path)]:
            remove(path)
        try:
            self.write_text(self.configuration, f"{HEADER}{digest(configuration)}\n{operative}")
        except OSError as error:
            raise OSError(
                f"run_dir {str(self.path)!r} cannot be written ({error.strerror}): choose another --run_dir."
            ) from error

    def finished(self) -> dict[str, Any] | None:
        """Returns the results if the run is complete."""
        return json.loads(self.results.read_text()) if self.results.exists() else None

    def checkpoint(self, epochs: int) -> Path:
        """Returns the path of the checkpoint after so many epochs."""
        return self.checkpoints / f"epoch-{epochs:06d}.weights.h5"

    def latest_checkpoint(self) -> tuple[Path, int] | None:
        """Returns the newest checkpoint and the epochs it follows, if there is one."""
        paths = sorted(self.checkpoints.glob("epoch-*.weights.h5"))
        return (paths[-1], int(paths[-1].name[len("epoch-") :].split(".")[0])) if paths else None

    def forget_old_checkpoints(self) -> None:
        """Removes all but the newest checkpoints."""
        for path in sorted(self.checkpoints.glob("epoch-*.weights.h5"))[:-KEPT_CHECKPOINTS]:
            path.unlink()

    def write_json(self, path: Path, values: Mapping[str, Any]) -> None:
        """Writes a mapping as JSON."""
        self.write_text(path, json.dumps(values, indent=2) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Writes a text file."""
        with written_aside(path) as aside:
            aside.write_text(text)

    def _clear(self) -> None:
        # What makes the folder a finished run goes first, what makes it a run at all last: a kill in between does
        # not leave it claiming what is no longer there.
        folders = (self.path / "logs", self.images, self.checkpoints, self.path / "export")
        for path in (self.results, self.report, self.student, *folders, self.configuration):
            remove(path)


def digest(configuration: str) -> str:
    """Returns what tells one configuration from another."""
    return hashlib.sha256(configuration.encode()).hexdigest()[:16]
