"""The report of a run, one self-contained HTML page for whoever has to trust the student."""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.agreement import agreement_by_class, most_confused
from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.page import figure, page, picture, preformatted, section, table
from dfkd_keras.experiment.reporting.plots import bars, curves, histogram, save_class_grid
from dfkd_keras.experiment.reporting.verdict import headline, verdict
from dfkd_keras.experiment.run_directory import History, RunDirectory

MEASURED = ("val_mean_iou", "val_accuracy", "val_agreement", "val_estimated_agreement")
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
    run.write_text(run.report, page(title, headline(results), verdict(results, _unseen(assessment)), sections))


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
    names = assessment.evaluated.class_names
    shares = 100 * np.nan_to_num(agreement_by_class(teacher, student, len(names)))
    parts = [figure(bars("Agreement by the teacher's class", names, shares, "% of its images"))]
    return [section(described, *parts), section("What it confuses", _confusions(assessment))]


def _confusions(assessment: Assessment) -> str:
    """Returns the pairs of classes that are confused most often, with some of their images."""
    split, names = assessment.evaluated.split, assessment.evaluated.class_names
    pairs = most_confused(assessment.predicted["teacher"], assessment.predicted["student"])
    if not pairs:
        return "<p>Nothing: teacher and student agree on all images.</p>"
    titles = [f"{names[each.teacher_class]}, not {names[each.student_class]}: {len(each.positions)}" for each in pairs]
    positions = np.concatenate([each.positions for each in pairs])
    rows = np.repeat(np.arange(len(pairs)), [len(each.positions) for each in pairs])
    buffer = io.BytesIO()
    save_class_grid(buffer, split.images[positions] / np.float32(255.0), rows, titles)
    told = "<p>The teacher's class, the student's, the number of images, and some of these.</p>"
    return told + picture(buffer.getvalue(), "images that teacher and student give different classes")


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
