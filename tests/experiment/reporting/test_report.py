"""The report is a page that says what can be relied on, whatever the names in it are."""

import numpy as np
import pytest

from dfkd_keras.data import Split
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting import report
from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.report import Assessment, write_report
from dfkd_keras.experiment.reporting.verdict import verdict
from dfkd_keras.experiment.run_directory import History, RunDirectory

HARD = "<script>alert(1)</script>$$\x1b[2J\0\udcff"
NAMES = (HARD, "dog", "cat")
RESULTS = {
    "method": HARD, "task": HARD, "seed": 0, "metric": "accuracy", "evaluated_on": HARD, "test_images": 10,
    "student_accuracy": 0.5, "student_accuracy_best": 0.5, "teacher_accuracy": 0.6, HARD: {HARD: 0.5},
    "decisions": {HARD: HARD}, "jit_compile": True,
}  # fmt: skip


def written(folder, results=RESULTS, student=(1, 1, 0, 0, 0, 0, 0, 0, 0, 0)):
    run, teacher = RunDirectory(folder), np.array([0] * 9 + [1])
    run.configuration.write_text("a = '<b>'\nb = 2\n")
    images = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), "uint8")
    evaluated = Evaluation(Split(images, teacher), NAMES, "accuracy")
    predicted = {"teacher": teacher, "student": np.array(student)}
    diagnostics = Diagnostics([1, 2, 0], np.ones(3), None)
    write_report(run, results, History(run.metrics, ["epoch"]), Assessment(evaluated, predicted, diagnostics))
    return run.report.read_text()


@pytest.fixture
def page(tmp_path):
    return written(tmp_path)


def test_names_of_any_kind_are_text_of_the_page(page):
    assert "<script" not in page and "\x1b" not in page and "\0" not in page
    assert page.count(r"&lt;script&gt;alert(1)&lt;/script&gt;$$\x1b[2J\x00\udcff") >= 6


def test_the_configuration_keeps_its_lines(page):
    assert "<pre>a = &#x27;&lt;b&gt;&#x27;\nb = 2</pre>" in page


def test_what_was_not_recorded_has_no_plot(page):
    assert page.count("<svg") == 3  # agreement by class, classes and confidences of the synthetic images


def test_it_says_how_sure_the_headline_is_and_what_was_not_seen(page):
    assert "it is 23.7% to 76.3%, with 95 % confidence" in page  # Wilson's interval of 5 in 10
    assert "None of the images is of 1 of the classes to the teacher: cat." in page


def test_confused_images_are_shown_by_pairs_of_classes(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(report, "save_class_grid", lambda path, *grid: drawn.append(grid))
    page = written(tmp_path, student=(1, 1, 2, 0, 0, 0, 0, 0, 0, 1))
    ((images, rows, titles),) = drawn
    assert images.shape == (3, 6, 6, 3) and images.max() <= 1.0
    assert rows.tolist() == [0, 0, 1]
    assert [title.split("…")[-1] for title in titles] == [", not dog: 2", ", not cat: 1"]
    assert "images that teacher and student give different classes" in page
    agreed = written(tmp_path, student=(0,) * 9 + (1,))
    assert "teacher and student agree on all images" in agreed


def test_an_estimate_says_that_it_is_one_and_what_it_depends_on(tmp_path):
    estimated = {
        "metric": "estimated_agreement", "student_estimated_agreement": 0.9, "student_estimated_agreement_best": 0.9,
        "estimated_agreement_in_other_ranges": {"imagenet": 0.7}, "teacher_parameters": 400, "student_parameters": 100,
    }  # fmt: skip
    page = written(tmp_path, RESULTS | estimated)
    assert "This is an estimate" in page and "--images=FOLDER" in page
    assert "is a guess. The estimate is 70.0% if it is imagenet; --input_range." in page
    assert "The student has 100 parameters, 25% of the teacher&#x27;s." in page


def test_pixels_have_no_interval_and_of_many_classes_the_worst_are_shown():
    teacher = np.repeat(np.arange(30), 4)
    student = np.where(np.arange(120) % 4 < 2, teacher, (teacher + 1) % 30)
    student[teacher >= 25] = 0
    chart = report._agreement(teacher, student, [f"class {index}" for index in range(40)])
    assert chart.count('<g id="xtick_') == 20
    figures = {"metric": "agreement", "student_agreement": 0.5, "test_images": 9}
    assert verdict(figures, by_pixel=True) == []
    assert verdict(figures) == ["Of all images of this kind it is 22.7% to 77.3%, with 95 % confidence."]
