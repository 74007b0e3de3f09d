"""Comparing methods: what is averaged, what is found on the way to the reference, what is written."""

import csv
import json

import numpy as np
import pytest

from dfkd_keras.experiment.reporting.comparison import Run, line_style, summarize, write_comparison
from dfkd_keras.utils.errors import InvalidInputError


def run(method, accuracies, seconds=10.0, **results):
    """A finished run that was evaluated every `seconds` seconds."""
    figures = {
        "method": method,
        "task": "digits",
        "teacher_accuracy": 0.9,
        "student_accuracy": accuracies[-1],
        "student_accuracy_best": max(accuracies),
        "synthetic_images": 100,
        "buffer_images": 0,
        "seconds_synthesis": seconds,
        "seconds_student": seconds * (len(accuracies) - 1),
        **results,
    }
    return Run(figures, [(seconds * (index + 1), accuracy) for index, accuracy in enumerate(accuracies)])


RUNS = [
    run("slow", [0.2, 0.4, 0.5]),
    run("quick", [0.5, 0.6, 0.55]),
    run("slow", [0.2, 0.5, 0.7]),
    run("bad", [0.1, 0.3]),
]


def test_seeds_are_averaged_and_the_time_to_the_reference_is_found():
    slow, quick, bad = summarize(RUNS)
    assert (slow["method"], slow["seeds"], slow["student_accuracy"]) == ("slow", 2, pytest.approx(0.6))
    assert slow["student_accuracy_std"] == pytest.approx(0.02**0.5)
    assert quick["student_accuracy_std"] is None
    assert quick["student_accuracy_best"] == 0.6
    assert quick["seconds_to_reference"] == 20.0
    assert slow["seconds_to_reference"] is None  # one of its seeds never gets to the mean
    assert bad["seconds_to_reference"] is None
    assert slow["seconds"] == 30.0


def test_the_reference_may_be_chosen():
    slow, quick, bad = summarize(RUNS, reference="bad")
    assert [row["seconds_to_reference"] for row in (slow, quick, bad)] == [20.0, 10.0, 20.0]
    with pytest.raises(ValueError, match=r"reference='other' has no finished run: use one of slow, quick, bad"):
        summarize(RUNS, reference="other")


@pytest.mark.parametrize("accuracy", [0.6375, 0.4381, 0.9917])
def test_the_reference_reaches_its_own_accuracy_in_single_precision_too(accuracy):
    reference = run("reference", [accuracy])
    reference.curve[:] = [(10.0, float(np.float32(accuracy)))]
    assert summarize([reference])[0]["seconds_to_reference"] == 10.0


def test_no_runs_give_no_rows(tmp_path):
    assert summarize([]) == []
    write_comparison(tmp_path, [])
    assert (tmp_path / "comparison.md").exists()


def test_table_and_plot_are_written(tmp_path):
    table = write_comparison(tmp_path, RUNS)
    assert table == (tmp_path / "comparison.md").read_text()
    assert "| slow | 2 | 90.00 % | 60.00 ± 14.14 % | 60.00 % | 100 | 30 s (10 + 20) | not reached |" in table
    with open(tmp_path / "comparison.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["slow", "quick", "bad"]
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_read_from_its_folder(tmp_path):
    assert Run.read(tmp_path) is None
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.csv").write_text("epoch,seconds,val_accuracy\n1,5.0,\n2,4.0,0.5\n3,3.0,0.75\n")
    (tmp_path / "results.json").write_text(json.dumps({"method": "m"}))
    read = Run.read(tmp_path)
    assert read.curve == [(9.0, 0.5), (12.0, 0.75)]
    assert read.seconds_to(0.6) == 12.0
    assert read.seconds_to(0.8) is None


def test_results_that_are_damaged_are_told(tmp_path):
    (tmp_path / "results.json").write_text('{"method": ')
    with pytest.raises(InvalidInputError, match=r"results\.json' cannot be read"):
        Run.read(tmp_path)


def test_segmenters_are_compared_by_mean_iou(tmp_path):
    scores = {"metric": "mean_iou", "teacher_mean_iou": 0.6, "student_mean_iou": 0.4, "student_mean_iou_best": 0.45}
    runs = [run("one", [0.3, 0.4], **scores), run("two", [0.2, 0.3], **{**scores, "student_mean_iou": 0.3})]
    one, two = summarize(runs)
    assert (one["student_mean_iou"], two["student_mean_iou"], one["seconds_to_reference"]) == (0.4, 0.3, 20.0)
    table = write_comparison(tmp_path, runs)
    assert "student's mean IoU, final" in table and "| 40.00 % | 45.00 % |" in table
    with open(tmp_path / "comparison.csv", newline="") as file:
        assert next(csv.DictReader(file))["teacher_mean_iou"] == "0.6"
    with pytest.raises(ValueError, match="measured by accuracy and mean_iou cannot be compared"):
        summarize([*runs, RUNS[0]])


def test_a_table_of_several_tasks_tells_which_is_whose(tmp_path):
    table = write_comparison(tmp_path, [*RUNS, run("other", [0.3], task="mnist")])
    assert "| slow on digits | 2 |" in table and "| other on mnist | 1 |" in table


def test_settings_of_one_method_from_several_files_are_told_apart(tmp_path):
    for name in ("dafl-seed0", "papers-dafl_mnist-seed10"):
        (tmp_path / name / "logs").mkdir(parents=True)
        (tmp_path / name / "results.json").write_text(json.dumps({"method": "dafl"}))
    read = [Run.read(tmp_path / name).results["method"] for name in ("dafl-seed0", "papers-dafl_mnist-seed10")]
    assert read == ["dafl", "papers-dafl_mnist"]


def test_no_two_of_thirty_methods_look_alike():
    assert len({tuple(line_style(place).values()) for place in range(30)}) == 30


def test_names_of_any_kind_end_no_cell_and_begin_no_formula(tmp_path):
    table = write_comparison(tmp_path, [run("a|b$$\x1b[2J", [0.2, 0.4], evaluated_on="$$")])
    assert r"| a\|b$$\x1b[2J | 1 |" in table and "\x1b" not in table
