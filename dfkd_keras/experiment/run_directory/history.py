"""The record of a run's epochs, `logs/metrics.csv`, written row by row and read back on resume and for the report."""

import csv
import itertools
from pathlib import Path

from dfkd_keras.utils.files import atomic_write, fsync

Row = dict[str, float]


class History:
    """Keeps one row per epoch in a CSV file.

    Args:
        path: String or `Path`. Path of the file.
        columns: List of strings. Names of the columns. A value that a row lacks stays empty.

    Attributes:
        rows: List of dictionaries. The rows of all epochs so far.
        interrupted_row: Dictionary or None. The first row that `restart_after` dropped, of an epoch that was cut short.
        seconds_before: Float. Training time before this process, in seconds.
    """

    def __init__(self, path: Path, columns: list[str]):
        self.path, self.columns = Path(path), columns
        self.rows: list[Row] = []
        self.interrupted_row: Row | None = None
        self.seconds_before = 0.0

    def restart_after(self, epochs: int, seconds: float = 0.0) -> None:
        """Keeps the first rows of the file and drops what an interrupted run wrote after them.

        Args:
            epochs: Integer. Number of complete epochs, whose rows are kept.
            seconds: Float. Training time that the next epoch has taken already. Defaults to 0.
        """
        rows = read_history(self.path, epochs + 1)
        self.rows, self.interrupted_row = rows[:epochs], next(iter(rows[epochs:]), None)
        self.seconds_before = self.total("seconds") + seconds
        with atomic_write(self.path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def append(self, row: Row) -> None:
        """Appends a row to the file."""
        self.rows.append(row)
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow(row)
        fsync(self.path)

    def column(self, name: str) -> list[float]:
        """Returns the values of a column, without rows that lack it."""
        return [row[name] for row in self.rows if name in row]

    def total(self, name: str) -> float:
        """Returns the sum of a column."""
        return sum(self.column(name))


def read_history(path: Path, epochs: int | None = None) -> list[Row]:
    """Reads a history file.

    Args:
        path: String or `Path`. Path of the file.
        epochs: Integer. Number of rows to read at most. Defaults to None, all.

    Returns:
        List of dictionaries, one per epoch, without empty values; an empty list if there is no file. A last row that a
        full disk left incomplete is left out.
    """
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        complete = itertools.takewhile(lambda line: line.endswith("\n"), file)
        rows = itertools.islice(csv.DictReader(complete), epochs)
        return [{name: _number(value) for name, value in row.items() if value} for row in rows]


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)
