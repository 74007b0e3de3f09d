"""The report of a run, one self-contained HTML page."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.plots import bars, curves, histogram
from dfkd_keras.experiment.run_directory import History, RunDirectory
from dfkd_keras.metrics import METRICS
from dfkd_keras.utils.text import printable

MEASURED = ("val_mean_iou", "val_accuracy", "val_agreement", "val_estimated_agreement")
NOT_TERMS = (
    "epoch", "synthesis_loss", "distillation_loss", "priority",
    "agreement", "fresh_agreement", *MEASURED,
)  # fmt: skip
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; }} td {{ padding: .15rem 1rem .15rem 0; border-bottom: 1px solid #ddd; }}
td:last-child {{ font-variant-numeric: tabular-nums; }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1rem; }} svg, img {{ max-width: 100%; height: auto; }}
pre {{ background: #f6f6f6; padding: 1rem; overflow-x: auto; font-size: 13px; }}
.headline {{ font-size: 1.3rem; }}
</style></head><body>
<h1>{title}</h1>
<p class="headline">{headline}</p>
<div class="plots">{plots}</div>
{grids}
<h2>Results</h2><table>{rows}</table>
<h2>Configuration</h2><pre>{configuration}</pre>
</body></html>
"""


def write_report(
    run: RunDirectory,
    results: dict[str, Any],
    history: History,
    class_names: Sequence[str],
    diagnostics: Diagnostics,
) -> None:
    """Writes `report.html`.

    Args:
        run: `RunDirectory`. The folder of the run, with its image grids and its configuration.
        results: Dictionary. The contents of `results.json`.
        history: `History` of the epochs.
        class_names: Sequence of strings. One per class.
        diagnostics: `Diagnostics` of the synthetic images.
    """
    counted = "pixels" if run.test_images.exists() else "images"
    plots = [
        _plot(history, "Losses", ["synthesis_loss", "distillation_loss"]),
        _plot(
            history,
            f"On {results['evaluated_on']}, and agreement",
            [*MEASURED, "agreement", "fresh_agreement"],
        ),
        _plot(
            history,
            "Terms",
            [name for name in history.columns if name not in NOT_TERMS and not name.startswith("seconds")],
        ),
        bars(f"Classes of {sum(diagnostics.class_counts):,} {counted}", class_names, diagnostics.class_counts, counted),
        histogram(f"Teacher's confidence in {len(diagnostics.confidences):,} images", diagnostics.confidences),
    ]
    figures = dict(results)
    if diagnostics.effective_sample_size is not None:
        figures["priorities_effective_sample_size"] = diagnostics.effective_sample_size
    page = PAGE.format(
        title=_text(f"{results['method']} on {results['task']}, seed {results['seed']}"),
        headline=_text(headline(results)),
        plots="".join(f"<div>{plot}</div>" for plot in plots),
        grids=_grids(run, results["evaluated_on"]),
        rows="".join(
            f"<tr><td>{_text(name)}</td><td>{_text(_shown(value))}</td></tr>" for name, value in figures.items()
        ),
        configuration="\n".join(map(_text, run.configuration.read_text().splitlines())),
    )
    run.write_text(run.report, page)


def headline(results: dict[str, Any]) -> str:
    """Returns the headline result of a run as a sentence."""
    metric, images = results["metric"], f"{results['test_images']:,} {results['evaluated_on']}"
    student = f"{results[f'student_{metric}']:.2%} (best during training {results[f'student_{metric}_best']:.2%})"
    if "agreement" in metric:
        return f"Student's {METRICS[metric]}: {student} on {images}."
    return f"Student {student}, teacher {results[f'teacher_{metric}']:.2%} {METRICS[metric]} on {images}."


def _plot(history: History, title: str, names: list[str]) -> str:
    series = {
        name: ([row["epoch"] for row in history.rows if name in row], history.column(name))
        for name in names
        if history.column(name)
    }
    positive = all(min(values) > 0 for _, values in series.values())
    return curves(title, series, logarithmic=title == "Losses" and positive)


def _grids(run: RunDirectory, evaluated_on: str) -> str:
    masks = run.test_images.exists()
    described = "With the masks of teacher and student." if masks else "One row per class predicted by the teacher."
    paths = sorted(run.images.glob("epoch-*.png"))
    drawn = (
        f"<p>{described}</p>{_embedded(paths[-1], 'grid of synthetic images')}" if paths else "<p>None were drawn.</p>"
    )
    title = f"<h2>{_text(evaluated_on.capitalize())}</h2>"
    real = f"{title}{_embedded(run.test_images, 'images and their masks')}" if masks else ""
    return f"<h2>Synthetic images</h2>{drawn}{real}"


def _text(text: str) -> str:
    """Returns a text, in which the names of classes may be anything, for the page."""
    return html.escape(printable(text))


def _embedded(path: Path, described: str) -> str:
    encoded = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{described}" src="data:image/png;base64,{encoded}">'


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
