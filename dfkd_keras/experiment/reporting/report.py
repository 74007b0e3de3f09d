"""The report of a run, one self-contained HTML page for whoever has to trust the student."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.agreement import agreement_by_class, most_confused
from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.page import figure, page, picture, preformatted, section, table
from dfkd_keras.experiment.reporting.plots import COLUMNS, SHOWN_CLASSES, bars, curves, histogram, save_class_grid
from dfkd_keras.experiment.reporting.verdict import headline, verdict
from dfkd_keras.experiment.run_directory import History, RunDirectory

MEASURED = ("val_mean_iou", "val_accuracy", "val_agreement", "val_estimated_agreement")
LONGEST_NAME = 14  # characters of a class, of which a label has two
NOT_TERMS = (
    "epoch", "synthesis_loss", "distillation_loss", "priority",
    "agreement", "fresh_agreement", *MEASURED,
)  # fmt: skip


class Assessment(NamedTuple):
    """What is known of a student at the end of its run, besides its figures.

    Attributes:
        evaluated: `Evaluation`. The images that it was evaluated on.
        predicted: Dictionary of integer arrays. What "teacher" and "student" predict for these.
        diagnostics: `Diagnostics` of the synthetic images.
    """

    evaluated: Evaluation
    predicted: Mapping[str, np.ndarray]
    diagnostics: Diagnostics

    @property
    def by_pixel(self) -> bool:
        """Boolean. Whether each pixel has a class, not the whole image."""
        return self.predicted["teacher"].ndim > 1


def write_report(run: RunDirectory, results: dict[str, Any], history: History, assessment: Assessment) -> None:
    """Writes `report.html`: whether the student can be used, what it confuses, and how that is known.

    Args:
        run: `RunDirectory`. The folder of the run, with its image grids and its configuration.
        results: Dictionary. The contents of `results.json`.
        history: `History` of the epochs.
        assessment: `Assessment`.
    """
    figures = dict(results)
    if assessment.diagnostics.effective_sample_size is not None:
        figures["priorities_effective_sample_size"] = assessment.diagnostics.effective_sample_size
    sections = [
        *_evaluated(run, assessment),
        _decided(run, figures.pop("decisions", None)),
        *_synthesized(run, assessment),
        section("Training", *_trained(history, results["evaluated_on"])),
        section("All figures", table(figures)),
        section("Configuration", preformatted(run.configuration.read_text())),
    ]
    title = f"{results['task']}: a student by {results['method']}, seed {results['seed']}"
    told = verdict(results, _unseen(assessment), assessment.by_pixel)
    run.write_text(run.report, page(title, headline(results), told, sections))


def _unseen(assessment: Assessment) -> list[str]:
    """Returns the names of the classes that the teacher gives no image of those evaluated on."""
    seen = {*np.unique(assessment.predicted["teacher"]).tolist()}
    return [name for index, name in enumerate(assessment.evaluated.class_names) if index not in seen]


def _evaluated(run: RunDirectory, assessment: Assessment) -> list[str]:
    """Returns the sections on the images that the student was evaluated on."""
    described = assessment.evaluated.described.capitalize()
    if run.test_images.exists():
        grid = picture(run.test_images.read_bytes(), "images and their masks")
        return [section(described, "<p>With the masks of teacher and student.</p>", grid)]
    teacher, student = assessment.predicted["teacher"], assessment.predicted["student"]
    return [
        section(described, figure(_agreement(teacher, student, assessment.evaluated.class_names))),
        section("What it confuses", _confusions(assessment)),
    ]


def _agreement(teacher: np.ndarray, student: np.ndarray, names: Sequence[str]) -> str:
    """Returns a bar for each class that the teacher gives an image; of many, those that are agreed on least."""
    shares = agreement_by_class(teacher, student, len(names))
    worst = np.argsort(shares)[: min(SHOWN_CLASSES, np.count_nonzero(~np.isnan(shares)))]
    shown, title = np.sort(worst), "Agreement by the teacher's class"
    if len(shown) == SHOWN_CLASSES:
        title += ", the lowest"
    return bars(title, [names[index] for index in shown], 100 * shares[shown], "% of its images")


def _confusions(assessment: Assessment) -> str:
    """Returns the pairs of classes that are confused most often, with some of their images."""
    split, names = assessment.evaluated.split, assessment.evaluated.class_names
    pairs = most_confused(assessment.predicted["teacher"], assessment.predicted["student"])
    if not pairs:
        return "<p>Nothing: teacher and student agree on all images.</p>"
    titles = [
        f"{_short(names[each.teacher_class])}, not {_short(names[each.student_class])}: {len(each.positions)}"
        for each in pairs
    ]
    shown = [each.positions[:COLUMNS] for each in pairs]
    positions, rows = np.concatenate(shown), np.repeat(np.arange(len(pairs)), list(map(len, shown)))
    buffer = io.BytesIO()
    save_class_grid(buffer, split.images[positions] / np.float32(255.0), rows, titles)
    told = "<p>The teacher's class, the student's, the number of images, and some of these.</p>"
    return told + picture(buffer.getvalue(), "images that teacher and student give different classes")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _decided(run: RunDirectory, decisions: dict[str, str] | None) -> str:
    again = {"same run": f"dfkd train --gin_file={run.configuration} --run_dir=ANOTHER"}
    return section("What was decided", table((decisions or {}) | again))


def _synthesized(run: RunDirectory, assessment: Assessment) -> list[str]:
    """Returns the section on the images that the student was trained on."""
    masks, diagnostics = run.test_images.exists(), assessment.diagnostics
    counted, described = ("pixels", "") if masks else ("images", "<p>One row per class predicted by the teacher.</p>")
    paths = sorted(run.images.glob("epoch-*.png"))
    grid = picture(paths[-1].read_bytes(), "grid of synthetic images") if paths else "<p>None were drawn.</p>"
    counts, title = diagnostics.class_counts, f"Classes of {sum(diagnostics.class_counts):,} {counted}"
    plots = [
        bars(title, assessment.evaluated.class_names, counts, counted),
        histogram(f"Teacher's confidence in {len(diagnostics.confidences):,} images", diagnostics.confidences),
    ]
    return [section("Synthetic images", described, grid, *map(figure, plots))]


def _trained(history: History, evaluated_on: str) -> list[str]:
    """Returns the curves of the training."""
    terms = [name for name in history.columns if name not in NOT_TERMS and not name.startswith("seconds")]
    plots = {
        "Losses": ["synthesis_loss", "distillation_loss"],
        f"On {evaluated_on}, and agreement": [*MEASURED, "agreement", "fresh_agreement"],
        "Terms": terms,
    }
    return [figure(plot) for title, names in plots.items() if (plot := _plot(history, title, names))]


def _plot(history: History, title: str, names: list[str]) -> str:
    """Returns curves of the columns that were recorded, nothing if none was."""
    series = {
        name: ([row["epoch"] for row in history.rows if name in row], history.column(name))
        for name in names
        if history.column(name)
    }
    positive = all(min(values) > 0 for _, values in series.values())
    return curves(title, series, logarithmic=title == "Losses" and positive) if series else ""
