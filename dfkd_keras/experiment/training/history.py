"""The record of a run's epochs, logs/metrics.csv: written line by line, read back on resume and for the report."""

import csv
import itertools
from pathlib import Path

from dfkd_keras.utils.files import atomic_write, fsync

Row = dict[str, float]


class History:
    """Keeps one row per epoch in a CSV file.

    Args:
        path: of the file.
        columns: the names of the columns; a value that a row lacks stays empty.

    Attributes:
        rows: of the epochs.
        cut: the first row that was dropped, of an epoch that was cut short.
        seconds_before: of training, before this process.
    """

    def __init__(self, path: Path, columns: list[str]):
        self.path, self.columns = Path(path), columns
        self.rows: list[Row] = []
        self.cut: Row | None = None
        self.seconds_before = 0.0

    def restart_after(self, epochs: int, seconds: float = 0.0) -> None:
        """Keeps the first `epochs` rows of the file and drops what an interrupted run wrote beyond them.

        Args:
            epochs: that are complete.
            seconds: of training that the next one has had already.
        """
        rows = read_history(self.path, epochs + 1)
        self.rows, self.cut = rows[:epochs], next(iter(rows[epochs:]), None)
        self.seconds_before = self.total("seconds") + seconds
        with atomic_write(self.path) as aside, open(aside, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def append(self, row: Row) -> None:
        """Adds a row to the file."""
        self.rows.append(row)
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)
        fsync(self.path)

    def column(self, name: str) -> list[float]:
        """Returns the values of a column where there are any."""
        return [row[name] for row in self.rows if name in row]

    def total(self, name: str) -> float:
        """Returns the sum of a column."""
        return sum(self.column(name))


def read_history(path: Path, epochs: int | None = None) -> list[Row]:
    """Returns the rows of a history file, empty values left out; none if there is no file.

    A row that a full disk has left in part, without the end of its line, is left out too.

    Args:
        path: of the file.
        epochs: reads the rows of the first so many epochs alone.
    """
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        whole = itertools.takewhile(lambda line: line.endswith("\n"), file)
        rows = itertools.islice(csv.DictReader(whole), epochs)
        return [{name: _number(value) for name, value in row.items() if value} for row in rows]


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)
