"""The tables of a suite, against NumPy."""

import csv

import numpy as np
import pytest

from dfkd_keras.experiment.suites.table import markdown, summarize, trust, write_table


def row(teacher="a", variant="auto", seed=0, agreement=0.9, estimated=0.8, batch_norms=0, accuracy=(0.95, 0.9)):
    return {
        "teacher": teacher, "variant": variant, "seed": seed, "batch_norms": batch_norms, "agreement": agreement,
        "estimated_agreement": estimated, "teacher_accuracy": accuracy[0], "student_accuracy": accuracy[1],
        "teacher_parameters": 1000, "student_parameters": 250, "student_share": 0.25, "seconds": 61.0,
        "cpu_seconds": 100.0,
    }  # fmt: skip


def of(summary, variant, kind):
    (found,) = (line for line in summary if (line["variant"], line["kind"]) == (variant, kind))
    return found


def test_seeds_are_averaged_before_the_median_and_the_worst_over_teachers():
    rows = [row("a", agreement=0.9), row("a", seed=1, agreement=0.5), row("b", agreement=0.8), row("c", agreement=0.95)]
    found = of(summarize(rows), "auto", "all")
    assert found["teachers"] == 3 and found["worst_teacher"] == "a"
    assert found["worst"] == pytest.approx(0.7) and found["median"] == pytest.approx(0.8)


def test_teachers_with_batch_norm_and_without_are_summarized_apart():
    rows = [row("a", agreement=0.9), row("b", agreement=0.5, batch_norms=6), row("b", "compact", batch_norms=6)]
    summary = summarize(rows)
    assert of(summary, "auto", "BatchNorm")["median"] == 0.5
    assert of(summary, "auto", "no BatchNorm")["median"] == 0.9
    assert of(summary, "auto", "all")["median"] == pytest.approx(0.7)
    assert [line["kind"] for line in summary if line["variant"] == "compact"] == ["all", "BatchNorm"]


def test_accuracy_lost_is_the_median_difference():
    rows = [row(name, accuracy=(0.9, student)) for name, student in zip("abc", (0.8, 0.88, 0.5), strict=True)]
    assert of(summarize(rows), "auto", "all")["accuracy_lost"] == pytest.approx(0.1)


def test_trust_is_pearsons_correlation_and_the_share_within_three_points(rng):
    pairs = rng.uniform(0.2, 1.0, (40, 2))
    found = trust([row(agreement=true, estimated=estimate) for true, estimate in pairs])
    assert found["correlation"] == pytest.approx(np.corrcoef(pairs.T)[0, 1])
    assert found["near"] == pytest.approx(np.mean(np.abs(pairs[:, 0] - pairs[:, 1]) <= 0.03))


def test_three_points_are_near_and_runs_without_an_estimate_do_not_count():
    found = trust([row(agreement=0.9, estimated=0.93), row(agreement=0.9, estimated=0.94), row(estimated=None)])
    assert found["runs"] == 2 and found["near"] == 0.5
    assert found["correlation"] is None  # all true agreements are equal
    assert trust([])["near"] is None


def test_the_files_hold_all_runs_their_summary_and_the_failed_ones(tmp_path):
    rows = [row("a"), row("b", "slim:0.1", agreement=0.4, estimated=None, batch_norms=2)]
    write_table(tmp_path, rows, {"c/auto-seed0": "see the log"})
    with open(tmp_path / "comparison.csv", newline="") as file:
        assert [(line["teacher"], float(line["agreement"])) for line in csv.DictReader(file)] == [
            ("a", 0.9),
            ("b", 0.4),
        ]
    text = (tmp_path / "comparison.md").read_text()
    assert "| slim:0.1 | 1 (BatchNorm) | 40.0 % | 40.0 % (b) |" in text
    assert "| a | auto | 0 | 0 | 90.0 % | 80.0 % | 95.0 %, 90.0 % | 250 (25.0 %) | 61 | 100 |" in text
    assert "Failed: c/auto-seed0, see the log" in text
    assert (tmp_path / "comparison.png").stat().st_size > 1000


def test_nothing_made_yet_is_a_table_without_rows():
    assert "correlation" not in markdown([], {})
