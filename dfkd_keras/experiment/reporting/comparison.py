"""Compares the runs of several methods on one task in a table and a plot."""

import csv
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dfkd_keras.experiment.reporting.plots import label, make_figure
from dfkd_keras.experiment.run_directory import RunDirectory, read_history
from dfkd_keras.experiment.run_directory.history import Row
from dfkd_keras.metrics import METRICS
from dfkd_keras.utils.checks import is_number
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write
from dfkd_keras.utils.text import printable

REAL = "real test images"
FIGURES = ("seconds_synthesis", "seconds_student", "synthetic_images", "buffer_images")
LINES = ("-", "--", ":")  # for the first ten methods, the next ten, ...
COLUMNS = (  # for segmentation, with mean_iou instead of accuracy
    "method",
    "task",
    "seeds",
    "teacher_accuracy",
    "student_accuracy",
    "student_accuracy_std",
    "student_accuracy_best",
    "synthetic_images",
    "buffer_images",
    "seconds",
    "seconds_synthesis",
    "seconds_student",
    "seconds_to_reference",
)


class Run(NamedTuple):
    """A finished run.

    Attributes:
        results: Dictionary. The contents of its `results.json`, where "method" is the name of its folder without the
            seed.
        curve: List of pairs of floats. Training time in seconds and accuracy, or mean IoU, at every evaluation.
        history: Sequence of dictionaries. The rows of its epochs. Defaults to none.
    """

    results: dict[str, Any]
    curve: list[tuple[float, float]]
    history: Sequence[Row] = ()

    @classmethod
    def read(cls, path: Path | str, clock: str = "seconds") -> "Run | None":
        """Returns the run in a folder, or None if it is not complete.

        Args:
            path: String or `Path`. The folder.
            clock: String. The column of the history that the curve's time is taken from. Defaults to "seconds".

        Raises:
            InvalidInputError: If its results cannot be read.
        """
        run = RunDirectory(path)
        if not run.results.exists():
            return None
        results, history, curve, seconds = run.read_json(run.results), read_history(run.metrics), [], 0.0
        results["method"] = re.sub(r"-seed\d+$", "", run.path.name)  # one method may have several configurations
        for row in history:
            seconds += row.get(clock, 0.0)
            if (measured := f"val_{metric_of(results)}") in row:
                curve.append((seconds, row[measured]))
        return cls(results, curve, history)

    def seconds_to(self, accuracy: float) -> float | None:
        """Returns the training time at the first evaluation of at least this accuracy, or None if there is none."""
        return time_to(self.curve, accuracy)


def time_to(curve: Sequence[tuple[float, float]], accuracy: float) -> float | None:
    """Returns the time at a curve's first evaluation of at least this accuracy, or None if there is none."""
    # Evaluations during training are in single precision, the final one is in double precision.
    return next((seconds for seconds, reached in curve if reached >= accuracy - 1e-6), None)


def _check_figures(results: dict[str, Any]) -> None:
    """Raises InvalidInputError unless results have the figures that a table needs."""
    metric = metric_of(results)
    needed = [*FIGURES, *(f"{kind}_{metric}" for kind in ("teacher", "student")), f"student_{metric}_best"]
    if wrong := [name for name in needed if not is_number(results.get(name, 0.0 if "teacher" in name else None))]:
        raise InvalidInputError(
            f"the results.json of {results['method']!r} is damaged: {wrong[0]} is {results.get(wrong[0])!r}. Remove "
            "the file, and the same command writes it again."
        )


def metric_of(results: dict[str, Any]) -> str:
    """Returns the headline metric of a run, "accuracy" or "mean_iou"."""
    return results.get("metric", "accuracy")


def columns(metric: str) -> tuple[str, ...]:
    """Returns the columns of a comparison by a headline metric."""
    return tuple(name.replace("accuracy", metric) for name in COLUMNS)


def summarize(runs: Sequence[Run], reference: str | None = None) -> list[dict[str, Any]]:
    """Averages the runs of each method over its seeds.

    Args:
        runs: Sequence of `Run`s of one task, or of tasks that are similar enough for one table.
        reference: String. The method whose mean final accuracy defines `seconds_to_reference`. Defaults to the method
            of the first run.

    Returns:
        List of dictionaries, one per method, with the keys `columns(metric)`. Accuracies are fractions, their standard
        deviation is None for one seed, `seconds` is the training time, and `seconds_to_reference` is None unless every
        seed reaches the reference.

    Raises:
        InvalidInputError: If there is no run of the reference, or if the runs have different headline metrics.
    """
    methods: dict[str, list[Run]] = {}
    for run in runs:
        _check_figures(run.results)
        methods.setdefault(run.results["method"], []).append(run)
    if not methods:
        return []
    reference = reference or next(iter(methods))
    if reference not in methods:
        raise InvalidInputError(f"reference={reference!r} has no finished run: use one of {', '.join(methods)}.")
    if len(metrics := {metric_of(run.results) for run in runs}) > 1:
        raise InvalidInputError(
            f"runs measured by {' and '.join(sorted(metrics))} cannot be compared: compare one task's."
        )
    goal = _mean(methods[reference], f"student_{metric_of(runs[0].results)}")
    return [_row(method, of_method, goal) for method, of_method in methods.items()]


def write_comparison(folder: Path, runs: Sequence[Run], reference: str | None = None) -> str:
    """Writes `comparison.csv`, `comparison.md` and `comparison.png`.

    Args:
        folder: `Path`. Folder to write to.
        runs: Sequence of `Run`s, as for `summarize`.
        reference: String, as for `summarize`.

    Returns:
        The table in Markdown.
    """
    rows, metric = summarize(runs, reference), metric_of(runs[0].results) if runs else "accuracy"
    with (
        atomic_write(folder / "comparison.csv") as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns(metric))
        writer.writeheader()
        writer.writerows(rows)
    table = markdown(rows, reference or (rows[0]["method"] if rows else ""), metric)
    with atomic_write(folder / "comparison.md") as temporary:
        temporary.write_text(table, encoding="utf-8")
    with atomic_write(folder / "comparison.png") as temporary:
        _plot(temporary, runs)
    return table


def markdown(rows: Sequence[dict[str, Any]], reference: str, metric: str = "accuracy") -> str:
    """Returns the rows of `summarize` as a Markdown table; it names the task of each row if there are several.

    Args:
        rows: Sequence of dictionaries, as `summarize` returns them.
        reference: String. The method that times are counted to.
        metric: String. The headline metric. Defaults to "accuracy".
    """
    tasks = {row["task"] for row in rows}
    student = f"student_{metric}"
    titles = (
        "method",
        "seeds",
        "teacher",
        "student, final" if metric == "accuracy" else f"student's {METRICS[metric]}, final",
        "best",
        "synthetic images",
        "training time",
        f"to {reference}'s final",
    )
    lines = ["| " + " | ".join(map(_cell, titles)) + " |", "|---" * len(titles) + "|"]
    for row in rows:
        spread = "" if row[f"{student}_std"] is None else f" ± {100 * row[f'{student}_std']:.2f}"
        cells = (
            row["method"] + (f" on {row['task']}" if len(tasks) > 1 else ""),
            row["seeds"],
            f"{100 * row[f'teacher_{metric}']:.2f} %",
            f"{100 * row[student]:.2f}{spread} %",
            f"{100 * row[f'{student}_best']:.2f} %",
            f"{row['synthetic_images']:,.0f}"
            + (f" ({row['buffer_images']:,.0f} kept)" if row["buffer_images"] else ""),
            f"{row['seconds']:,.0f} s ({row['seconds_synthesis']:,.0f} + {row['seconds_student']:,.0f})",
            "not reached" if row["seconds_to_reference"] is None else f"{row['seconds_to_reference']:,.0f} s",
        )
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """Returns a value for a cell of a table, which the name of a method or a task must not end."""
    return printable(str(value)).replace("|", r"\|")


def _row(method: str, runs: Sequence[Run], goal: float) -> dict[str, Any]:
    student = f"student_{metric_of(runs[0].results)}"
    finals = [run.results[student] for run in runs]
    reached = [run.seconds_to(goal) for run in runs]
    names = columns(metric_of(runs[0].results))
    averaged = {name: _mean(runs, name) for name in names if name in runs[0].results and name not in ("method", "task")}
    return {
        "method": method,
        "task": runs[0].results["task"],
        "seeds": len(runs),
        **averaged,
        f"{student}_std": statistics.stdev(finals) if len(runs) > 1 else None,
        "seconds": averaged["seconds_synthesis"] + averaged["seconds_student"],
        "seconds_to_reference": None if None in reached else statistics.mean(reached),
    }


def _mean(runs: Sequence[Run], name: str) -> float:
    return statistics.mean(run.results[name] for run in runs)


def _plot(path: Path, runs: Sequence[Run]) -> None:
    figure = make_figure(8.4, 4.2)
    axes = figure.subplots()
    styles: dict[str, dict[str, str]] = {}
    for run in runs:
        method = run.results["method"]
        shown = None if method in styles else label(method)
        style = styles.setdefault(method, line_style(len(styles)))
        seconds, accuracies = zip(*run.curve, strict=True) if run.curve else ((), ())
        axes.plot([second / 60 for second in seconds], accuracies, label=shown, **style)
    metric = METRICS[metric_of(runs[0].results)] if runs else "accuracy"
    images = runs[0].results.get("evaluated_on", REAL) if runs else REAL
    axes.set(xlabel="training time in minutes", ylabel=label(f"{metric} on {images}"))
    axes.grid(alpha=0.3)
    if styles:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, format="png", dpi=120)


def line_style(index: int) -> dict[str, str]:
    """Returns the color and line style of the method with this index."""
    return {"color": f"C{index % 10}", "linestyle": LINES[index // 10 % len(LINES)]}
