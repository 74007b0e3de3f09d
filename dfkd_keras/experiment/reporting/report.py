"""The report of a run, one self-contained HTML page for whoever has to trust the student."""

from typing import Any

from dfkd_keras.experiment.reporting.assessment import Assessment
from dfkd_keras.experiment.reporting.evaluated import evaluated_sections
from dfkd_keras.experiment.reporting.image_quality import quality_sections
from dfkd_keras.experiment.reporting.page import figure, page, picture, preformatted, section, table
from dfkd_keras.experiment.reporting.plots import bars, curves, histogram
from dfkd_keras.experiment.reporting.verdict import answer, decided, headline, same_run, title, verdict
from dfkd_keras.experiment.run_directory import History, RunDirectory

MEASURED = ("val_mean_iou", "val_accuracy", "val_agreement", "val_estimated_agreement")
NOT_TERMS = (
    "epoch", "synthesis_loss", "distillation_loss", "priority",
    "agreement", "fresh_agreement", *MEASURED,
)  # fmt: skip


def write_report(run: RunDirectory, results: dict[str, Any], history: History, assessment: Assessment) -> None:
    """Writes `report.html`: can I use this student, what is it good at, what does it confuse, and how do I know.

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
        *evaluated_sections(run, results, assessment),
        *_synthesized(run, assessment),
        *quality_sections(results),
        section("What was decided", table(decided(figures) | {"same run": same_run(run.configuration)})),
        section("Training", *_trained(history, results["evaluated_on"])),
        section("All figures", table({name: value for name, value in figures.items() if name != "decisions"})),
        section("Configuration", preformatted(run.configuration.read_text(encoding="utf-8"))),
    ]
    told = [headline(results), *verdict(results, assessment.unseen, assessment.by_pixel)]
    run.write_text(run.report, page(title(results), answer(results, assessment.by_pixel), told, sections))


def _synthesized(run: RunDirectory, assessment: Assessment) -> list[str]:
    """Returns the section on the images that the student was trained on."""
    masks, diagnostics = run.test_images.exists(), assessment.diagnostics
    counted, described = ("pixels", "") if masks else ("images", "<p>One row per class predicted by the teacher.</p>")
    paths = run.grids()
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
