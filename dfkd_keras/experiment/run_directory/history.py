"""The record of a run's epochs, `logs/metrics.csv`, written row by row and read back on resume and for the report."""

import csv
import itertools
from pathlib import Path

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, StorageError
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

        Raises:
            InvalidInputError: If the file lacks the row of a complete epoch, has other columns, or is damaged.
        """
        rows = read_history(self.path, epochs + 1)
        recorded = {row.get("epoch") for row in rows[:epochs]}
        lacking = [f"the row of epoch {epoch}" for epoch in range(1, epochs + 1) if epoch not in recorded]
        others = sorted({f"a column for {name!r}" for row in rows for name in row if name not in self.columns})
        if lacking or others:
            raise InvalidInputError(
                f"{str(self.path)!r} {'lacks ' + lacking[0] if lacking else 'has ' + others[0]}, so that the training "
                f"cannot go on after {epochs} epochs: restore the file, or start over in its folder with --noresume."
            )
        self.rows, self.interrupted_row = rows[:epochs], next(iter(rows[epochs:]), None)
        self.seconds_before = self.total("seconds") + seconds
        with atomic_write(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def append(self, row: Row) -> None:
        """Appends a row to the file."""
        self.rows.append(row)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
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

    Raises:
        InvalidInputError: If another row is damaged.
        StorageError: If the file cannot be read.
    """
    if not Path(path).exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(itertools.takewhile(lambda line: line.endswith("\n"), file))
            return [_numbers(row) for row in itertools.islice(reader, epochs)]
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be read ({error.strerror}): restore it, or grant access.") from error
    except (ValueError, csv.Error) as error:
        raise InvalidInputError(
            f"{str(path)!r} is damaged in line {reader.line_num} ({single_line(error)}): correct the line, or start "
            "over in its folder with --noresume."
        ) from error


def _numbers(row: dict[str | None, str | list[str] | None]) -> Row:
    if None in row:  # under which csv keeps what has no column
        raise ValueError(f"{len(row) - 1} columns, but {len(row[None])} more values")
    return {name: int(text) if text.isdigit() else float(text) for name, text in row.items() if text}
