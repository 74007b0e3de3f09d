"""The report of a suite of methods: a JSON file of all figures, and the tables and the plot that are made of it."""

import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin

from dfkd_keras.experiment.reporting.comparison import line_style, time_to
from dfkd_keras.experiment.reporting.plots import label, make_figure
from dfkd_keras.experiment.suites.tables import markdown_table, percent
from dfkd_keras.utils.files import atomic_write, translate_write_errors

REPORT = "comparison"  # name of its files in the suite's folder
NOTHING = ""  # in a table, for what is not there yet
Row = Mapping[str, Any]


@gin.register(module="dfkd_keras")
@dataclasses.dataclass(frozen=True)
class Layout:
    """What the report of a suite shows besides the final accuracies and the runs.

    Args:
        spread: Boolean. Whether to show the mean, the standard deviation and the worst of each row's columns. Defaults
            to False.
        goals: Sequence of floats. Accuracies, to which the CPU time of each row is shown. Defaults to none.
        reference: String. The row whose times the others' are divided by. Defaults to None, none.
    """

    spread: bool = False
    goals: Sequence[float] = ()
    reference: str | None = None


def content_of(
    described: Mapping[str, Any], layout: Layout, rows: Sequence[Row], failed: Mapping[str, str]
) -> dict[str, Any]:
    """Returns what the JSON file of a report holds.

    Args:
        described: Mapping. "suite" and "title", strings; "minutes", the training time of each run; and "missing", the
            number of runs that are not there yet.
        layout: `Layout`.
        rows: Sequence of mappings, the figures of each run, in the order of the tables.
        failed: Mapping from the names of failed runs to what is wrong.
    """
    return {**described, **dataclasses.asdict(layout), "failed": dict(failed), "runs": list(rows)}


def write_report(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Writes a report as `NAME.json`, `NAME.md` and `NAME.png`.

    Args:
        folder: `Path`. Folder to write to.
        name: String. Name of the files.
        content: Mapping, as `content_of` returns it.
    """
    with atomic_write(folder / f"{name}.json") as temporary:
        temporary.write_text(_json(content), encoding="utf-8")
    with atomic_write(folder / f"{name}.md") as temporary:
        temporary.write_text(markdown(content, f"{name}.png"), encoding="utf-8")
    with atomic_write(folder / f"{name}.png") as temporary:
        _plot(temporary, content)


def publish(folder: Path, target: Path, name: str) -> None:
    """Writes the report that is in a suite's folder to another folder, as `NAME.json`, `NAME.md` and `NAME.png`."""
    with translate_write_errors(target):
        write_report(target, name, json.loads((folder / f"{REPORT}.json").read_text(encoding="utf-8")))


def markdown(content: Mapping[str, Any], picture: str) -> str:
    """Returns the tables of a report, made of the JSON file's content alone.

    Args:
        content: Mapping, as `content_of` returns it.
        picture: String. Name of the plot's file.
    """
    runs = content["runs"]
    parts = [f"# {content['title']}\n", _introduction(content), _final(runs, content["spread"])]
    if content["goals"]:
        parts += ["## Time to accuracy\n", _times(runs, content["goals"], content["reference"])]
    parts += [f"![Accuracy over CPU time]({picture})\n", "## All runs\n", _all_runs(runs)]
    return "\n".join(parts)


def minutes_in_words(minutes: float) -> str:
    """Returns a time as text."""
    return f"{minutes:g} minute" + "s" * (minutes != 1)


def summary(content: Mapping[str, Any]) -> str:
    """Returns the table that answers a suite's question: the times to its goals, or the final accuracies."""
    if content["goals"]:
        return _times(content["runs"], content["goals"], content["reference"])
    return _final(content["runs"], content["spread"])


def _json(content: Mapping[str, Any]) -> str:
    """Returns the content as JSON with a line for each run, whose curve would be a line for each number."""
    about = json.dumps({name: value for name, value in content.items() if name != "runs"}, indent=2)
    runs = ",\n    ".join(map(json.dumps, content["runs"]))
    return f'{about.removesuffix("}").rstrip()},\n  "runs": [\n    {runs}\n  ]\n}}\n'


def _introduction(content: Mapping[str, Any]) -> str:
    runs, missing, minutes = content["runs"], content["missing"], content["minutes"]
    commits = ", ".join(dict.fromkeys(run["commit"] or "unknown" for run in runs)) or "none"
    lines = [
        f"Made by `dfkd compare --suite={content['suite']} --minutes={minutes:g}`: {len(runs)} runs of "
        f"{minutes_in_words(minutes)} of two cores ({2 * minutes:g} CPU minutes) of training each, "
        f"every one a process of its own. Commits: {commits}.",
        "Accuracies are those of the final student on all real test images. CPU time is that of the training's steps on"
        " all cores; the evaluations during training, from which the curves are, do not count.",
    ]
    lines += [f"**Incomplete**: {missing} runs are not there yet."] if missing else []
    lines += [f"Failed: {name} ({problem})." for name, problem in content["failed"].items()]
    return "\n".join(lines) + "\n"


def _final(runs: Sequence[Row], spread: bool) -> str:
    columns = [*dict.fromkeys(run["column"] for run in runs)]
    lines = []
    for row, of_row in _grouped(runs, "row").items():
        of_column = {column: [run["accuracy"] for run in found] for column, found in _grouped(of_row, "column").items()}
        cells = [_mean(of_column.get(column, ())) for column in columns]
        lines.append([row, *cells, *(_spread([*of_column.values()]) if spread else ())])
    titles = ["", *columns, *(("mean over the columns", "standard deviation", "worst") if spread else ())]
    return markdown_table(titles, lines)


def _spread(of_column: Sequence[Sequence[float]]) -> list[str]:
    """Returns the mean, the standard deviation and the worst of a row's columns, whose seeds are averaged first."""
    means = [statistics.mean(accuracies) for accuracies in of_column]
    deviation = f"{100 * statistics.stdev(means):.1f}" if len(means) > 1 else NOTHING
    return [percent(statistics.mean(means)), deviation, percent(min(means))]


def _times(runs: Sequence[Row], goals: Sequence[float], reference: str | None) -> str:
    of_row = _grouped(runs, "row")
    reached = {row: [_time_of(found, goal) for goal in goals] for row, found in of_row.items()}
    lines = []
    for row, found in of_row.items():
        times = [_time(*pair) for pair in zip(reached[row], reached.get(reference, [None] * len(goals)), strict=True)]
        images = [statistics.mean(run[name] for run in found) for name in ("synthetic_images", "buffer_images")]
        final = _mean([run["accuracy"] for run in found])
        lines.append([row, *times, final, *(f"{count:,.0f}" for count in images)])
    titles = ["CPU minutes to", *map(percent, goals), "final accuracy", "images made", "images kept"]
    told = f"In brackets as a multiple of the time of {reference}. " if reference else ""
    return f"{told}A time is the mean over the seeds, if all of them reach it.\n\n{markdown_table(titles, lines)}"


def _time_of(runs: Sequence[Row], goal: float) -> float | None:
    times = [time_to(run["curve"], goal) for run in runs]
    return None if None in times else statistics.mean(times)


def _time(seconds: float | None, of_reference: float | None) -> str:
    if seconds is None:
        return "not reached"
    return f"{seconds / 60:.1f}" + (f" ({seconds / of_reference:.2f})" if of_reference else "")


def _all_runs(runs: Sequence[Row]) -> str:
    shown: dict[str, Callable[[Row], Any]] = {
        "task": lambda run: run["task"],
        "method": lambda run: run["method"],
        "seed": lambda run: run["seed"],
        "teacher": lambda run: percent(run["teacher_accuracy"]),
        "student": lambda run: percent(run["accuracy"]),
        "best": lambda run: percent(run["best_accuracy"]),
        "agreement": lambda run: percent(run["agreement"]),
        "updates (synthesis, student)": lambda run: f"{run['synthesis_updates']:,}, {run['student_updates']:,}",
        "images made, kept": lambda run: f"{run['synthetic_images']:,}, {run['buffer_images']:,}",
        "training, s (CPU)": lambda run: f"{run['training_seconds']:,.0f} ({run['training_cpu_seconds']:,.0f})",
        "whole process": lambda run: f"{run['seconds']:,.0f} ({run['cpu_seconds']:,.0f})",
        "commit": lambda run: run["commit"] or "unknown",
    }
    return markdown_table([*shown], [[show(run) for show in shown.values()] for run in runs])


def _mean(accuracies: Sequence[float]) -> str:
    if not accuracies:
        return NOTHING
    spread = f" ± {100 * statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
    return f"{100 * statistics.mean(accuracies):.1f}{spread} %"


def _grouped(runs: Sequence[Row], name: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for run in runs:
        groups.setdefault(run[name], []).append(run)
    return groups


def _plot(path: Path, content: Mapping[str, Any]) -> None:
    """Draws accuracy over CPU time: a panel for each column, unless the columns are of one task, and a color a row."""
    runs = content["runs"]
    panels = {"": runs} if content["spread"] or not runs else _grouped(runs, "column")
    styles = {row: line_style(index) for index, row in enumerate(dict.fromkeys(run["row"] for run in runs))}
    figure = make_figure(2.6 + 4.0 * len(panels), 4.2)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, of_panel) in zip(all_axes, panels.items(), strict=True):
        for run in of_panel:
            minutes, accuracies = [point[0] / 60 for point in run["curve"]], [point[1] for point in run["curve"]]
            axes.plot(minutes, accuracies, marker=".", markersize=3, **styles[run["row"]])
        axes.set(title=label(title), xlabel="CPU time of the training in minutes", xlim=(0, None))
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel("accuracy on real test images")
    handles = [all_axes[-1].plot([], [], label=label(row), **style)[0] for row, style in styles.items()]
    if handles:
        figure.legend(handles=handles, loc="outside right center")
    figure.savefig(path, format="png", dpi=120)
