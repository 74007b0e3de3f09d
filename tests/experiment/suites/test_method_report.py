"""The report of a suite of methods, against figures counted by hand."""

import json

import pytest

from dfkd_keras.experiment.suites.method_report import Layout, content_of, markdown, publish, write_report
from tests.commandline import ROOT

RESULTS = sorted((ROOT / "docs" / "results").glob("*.json"))
ABOUT = {"suite": "small", "title": "A small suite", "minutes": 2.0, "missing": 0}


def run(row="ssdkd", column="CIFAR-10", seed=0, accuracy=0.6, curve=(), commit="0123abc"):
    return {
        "task": "cifar10", "method": row, "seed": seed, "row": row, "column": column, "accuracy": accuracy,
        "best_accuracy": accuracy, "teacher_accuracy": 0.9, "agreement": 0.5, "synthesis_updates": 1_000,
        "student_updates": 2_000, "synthetic_images": 3_000, "buffer_images": 500, "training_seconds": 120.0,
        "training_cpu_seconds": 200.0, "seconds": 180.0, "cpu_seconds": 300.0, "commit": commit,
        "curve": list(map(list, curve)),
    }  # fmt: skip


def report(*runs, layout=Layout(), missing=0, failed=None):  # noqa: B008 - immutable
    return markdown(content_of(ABOUT | {"missing": missing}, layout, runs, failed or {}), "small.png")


def test_seeds_of_a_cell_become_their_mean_and_deviation_and_what_is_not_there_stays_empty():
    text = report(run(accuracy=0.5), run(seed=1, accuracy=0.7), run("dafl", "MNIST", accuracy=0.9))
    assert "|  | CIFAR-10 | MNIST |" in text
    assert "| ssdkd | 60.0 ± 14.1 % |  |" in text and "| dafl |  | 90.0 % |" in text
    assert (
        "| cifar10 | dafl | 0 | 90.0 % | 90.0 % | 90.0 % | 50.0 % | 1,000, 2,000 | 3,000, 500 | 120 (200) | 180 (300) |"
        in text
    )


def test_the_spread_is_over_columns_whose_seeds_are_averaged_first():
    runs = [run(column="a", accuracy=0.8), run(column="a", seed=1, accuracy=0.6), run(column="b", accuracy=0.5)]
    assert "| ssdkd | 70.0 ± 14.1 % | 50.0 % | 60.0 % | 14.1 | 50.0 % |" in report(*runs, layout=Layout(spread=True))


def test_times_are_those_of_the_first_evaluation_at_the_goal_and_multiples_of_the_references():
    fast = [(60.0, 0.2), (120.0, 0.55), (180.0, 0.5)]
    runs = [run(curve=fast), run("dafl", curve=[(300.0, 0.5)]), run("dafl", seed=1, curve=[(900.0, 0.55)])]
    text = report(*runs, layout=Layout(goals=(0.5, 0.55), reference="ssdkd"))
    assert "| CPU minutes to | 50.0 % | 55.0 % |" in text
    assert "| ssdkd | 2.0 (1.00) | 2.0 (1.00) | 60.0 % | 3,000 | 500 |" in text
    assert "| dafl | 10.0 (5.00) | not reached |" in text


def test_a_reference_that_is_not_there_yet_leaves_the_times_alone():
    text = report(run("dafl", curve=[(60.0, 0.5)]), layout=Layout(goals=(0.5,), reference="ssdkd"))
    assert "| dafl | 1.0 |" in text


def test_what_is_missing_or_failed_and_the_commits_are_told():
    text = report(run(), run("dafl", commit=None), missing=3, failed={"cifar10/dfad-seed0": "see its log"})
    assert "Commits: 0123abc, unknown." in text
    assert "**Incomplete**: 3 runs" in text and "Failed: cifar10/dfad-seed0 (see its log)." in text
    assert "Incomplete" not in report(run())


def test_the_files_hold_what_the_tables_are_made_of_and_are_published_under_the_suites_name(tmp_path):
    content = content_of(ABOUT, Layout(), [run(curve=[(60.0, 0.5)]), run("dafl")], {})
    write_report(tmp_path, "comparison", content)
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(json.dumps(content))
    assert (tmp_path / "comparison.md").read_text() == markdown(content, "comparison.png")
    publish(tmp_path, tmp_path / "docs", "small")
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["small.json", "small.md", "small.png"]
    assert "(small.png)" in (tmp_path / "docs" / "small.md").read_text()


def test_nothing_made_yet_is_a_report_without_rows(tmp_path):
    write_report(tmp_path, "comparison", content_of(ABOUT | {"missing": 2}, Layout(goals=(0.5,)), [], {}))
    assert "0 runs" in (tmp_path / "comparison.md").read_text()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_committed_table_is_what_its_json_makes(path):
    assert path.with_suffix(".md").read_text() == markdown(json.loads(path.read_text()), f"{path.stem}.png")
    assert path.with_suffix(".png").is_file()
