"""The folder of one run: what is in it, and that it belongs to one configuration."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_keras.files import remove, written_aside

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
        self.checkpoints = self.path / "checkpoints"
        self.student = self.path / "student.keras"
        self.exports = self.path / "export" / "student"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"

    def claim(self, configuration: str, resume: bool) -> None:
        """Makes the folder this configuration's.

        Args:
            configuration: the whole configuration as text.
            resume: whether an earlier run of the same configuration goes on; otherwise its files are removed.

        Raises:
            ValueError: if the folder holds the run of another configuration, or something else.
        """
        if self.configuration.exists() and not resume:
            self._clear()
        if self.configuration.exists():
            first_line = self.configuration.read_text().split("\n", 1)[0]
            if first_line != HEADER + digest(configuration):
                raise ValueError(
                    f"run_dir {str(self.path)!r} holds a run of a different configuration (its config.gin): choose "
                    "another --run_dir, or start over in it with --noresume."
                )
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ValueError(f"run_dir {str(self.path)!r} exists and is no run: choose another --run_dir.")
        self.write_configuration(configuration, configuration)

    def write_configuration(self, configuration: str, text: str) -> None:
        """Writes `text`, gin's operative configuration once that is known, as the folder's configuration."""
        self.write_text(self.configuration, f"{HEADER}{digest(configuration)}\n{text}")

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
        logs = (self.path / "logs", self.images, self.checkpoints, self.path / "export")
        for path in (*logs, self.student, self.results, self.report, self.configuration):
            remove(path)


def digest(configuration: str) -> str:
    """Returns what tells one configuration from another."""
    return hashlib.sha256(configuration.encode()).hexdigest()[:16]
