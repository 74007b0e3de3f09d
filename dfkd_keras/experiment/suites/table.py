"""The tables of a suite, and how far its estimates can be trusted."""

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.reporting.plots import make_figure
from dfkd_keras.experiment.suites.tables import markdown_table, percent
from dfkd_keras.utils.files import atomic_write

NEAR = 0.03  # an estimate within three points of the truth
KINDS = {
    "all": lambda row: True,
    "BatchNorm": lambda row: row["batch_norms"] > 0,
    "no BatchNorm": lambda row: row["batch_norms"] == 0,
}
COLUMNS = (
    "teacher", "variant", "seed", "batch_norms", "agreement", "estimated_agreement", "teacher_accuracy",
    "student_accuracy", "teacher_parameters", "student_parameters", "student_share", "seconds", "cpu_seconds",
)  # fmt: skip
Row = Mapping[str, Any]


def summarize(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns the median and the worst teacher of each variant: of all, of those with BatchNorm, and of the others.

    Args:
        rows: Sequence of mappings by `COLUMNS`, one for each run. Seeds of the same teacher are averaged first.

    Returns:
        List of dictionaries with the keys "variant", "kind" of teachers, "teachers" (how many), "median" and "worst"
        agreement, "worst_teacher", and "accuracy_lost", the median difference of the teacher's and the student's
        accuracy. Kinds of which there is no teacher are left out.
    """
    summary = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        for kind, is_of_kind in KINDS.items():
            of_teacher: dict[str, list[Row]] = {}
            for row in rows:
                if row["variant"] == variant and is_of_kind(row):
                    of_teacher.setdefault(row["teacher"], []).append(row)
            summary += [{"variant": variant, "kind": kind, **_over_teachers(of_teacher)}] if of_teacher else []
    return summary


def _over_teachers(of_teacher: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    agreements = {name: statistics.mean(row["agreement"] for row in rows) for name, rows in of_teacher.items()}
    lost = [
        statistics.mean(row["teacher_accuracy"] - row["student_accuracy"] for row in rows)
        for rows in of_teacher.values()
    ]
    worst = min(agreements, key=agreements.get)
    return {
        "teachers": len(agreements),
        "median": statistics.median(agreements.values()),
        "worst": agreements[worst],
        "worst_teacher": worst,
        "accuracy_lost": statistics.median(lost),
    }


def trust(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns how the estimated agreement relates to the true one.

    Args:
        rows: Sequence of mappings by `COLUMNS`. Runs without an estimate do not count.

    Returns:
        Dictionary of "runs", the number of those that count; "correlation", Pearson's, None where it is not defined;
        and "near", the share of runs whose estimate is within three points of the truth, None without runs.
    """
    pairs = [(row["estimated_agreement"], row["agreement"]) for row in rows if row["estimated_agreement"] is not None]
    is_defined = all(len(set(values)) > 1 for values in zip(*pairs, strict=True)) and len(pairs) > 1
    near = [abs(estimate - true) <= NEAR + 1e-9 for estimate, true in pairs]
    return {
        "runs": len(pairs),
        "correlation": statistics.correlation(*zip(*pairs, strict=True)) if is_defined else None,
        "near": sum(near) / len(near) if near else None,
    }


def write_table(folder: Path, rows: Sequence[Row], failed: Mapping[str, str] | None = None) -> None:
    """Writes `comparison.csv` with all runs, `comparison.md` with their summary too, and the plot `comparison.png`.

    Args:
        folder: `Path`. Folder to write to.
        rows: Sequence of mappings by `COLUMNS`.
        failed: Mapping from the names of failed runs to what is wrong. Defaults to none.
    """
    with (
        atomic_write(folder / "comparison.csv") as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    with atomic_write(folder / "comparison.md") as temporary:
        temporary.write_text(markdown(rows, failed or {}), encoding="utf-8")
    with atomic_write(folder / "comparison.png") as temporary:
        _plot(temporary, rows)


def markdown(rows: Sequence[Row], failed: Mapping[str, str]) -> str:
    """Returns the summary, the trust in the estimates, all runs, and those that failed, as Markdown."""
    variants = markdown_table(
        ("variant", "teachers", "median agreement", "worst", "median accuracy lost"),
        [
            (row["variant"], f"{row['teachers']} ({row['kind']})", percent(row["median"]),
             f"{percent(row['worst'])} ({row['worst_teacher']})", f"{100 * row['accuracy_lost']:.1f} points")
            for row in summarize(rows)
        ],
    )  # fmt: skip
    runs = markdown_table(
        ("teacher", "variant", "seed", "BatchNorm layers", "agreement", "estimated", "accuracy, teacher and student",
         "student's parameters", "seconds", "CPU seconds"),
        [
            (row["teacher"], row["variant"], row["seed"], row["batch_norms"], percent(row["agreement"]),
             percent(row["estimated_agreement"]),
             f"{percent(row['teacher_accuracy'])}, {percent(row['student_accuracy'])}",
             f"{row['student_parameters']:,} ({percent(row['student_share'])})", f"{row['seconds']:,.0f}",
             f"{row['cpu_seconds']:,.0f}")
            for row in rows
        ],
    )  # fmt: skip
    problems = "".join(f"Failed: {name}, {problem}\n" for name, problem in failed.items())
    return "\n".join(filter(None, (variants, _trust_line(rows), runs, problems)))


def _trust_line(rows: Sequence[Row]) -> str:
    found = trust(rows)
    if not found["runs"]:
        return ""
    correlation = "is not defined" if found["correlation"] is None else f"{found['correlation']:.2f}"
    return (
        f"Estimated and true agreement: correlation {correlation}, {found['near']:.0%} of {found['runs']} runs within "
        f"{100 * NEAR:.0f} points.\n"
    )


def _plot(path: Path, rows: Sequence[Row]) -> None:
    figure = make_figure(7.4, 5.0)
    axes = figure.subplots()
    axes.fill_between([0, 1], [-NEAR, 1 - NEAR], [NEAR, 1 + NEAR], color="0.9")
    estimated = [row for row in rows if row["estimated_agreement"] is not None]
    for index, variant in enumerate(dict.fromkeys(row["variant"] for row in estimated)):
        for kind, marker in (("BatchNorm", "s"), ("no BatchNorm", "o")):
            shown = [row for row in estimated if row["variant"] == variant and KINDS[kind](row)]
            if not shown:
                continue
            points = [[row[name] for row in shown] for name in ("estimated_agreement", "agreement")]
            axes.scatter(*points, s=24, color=f"C{index % 10}", marker=marker, label=f"{variant}, {kind}", alpha=0.7)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="estimated agreement", ylabel="true agreement on real test images")
    axes.set_title(_trust_line(rows).strip(), fontsize=8)
    axes.grid(alpha=0.3)
    if estimated:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    figure.savefig(path, format="png", dpi=120)
