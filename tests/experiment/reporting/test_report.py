"""The report is a page that says what can be relied on, whatever the names in it are."""

import numpy as np
import pytest

from dfkd_keras.data import Split
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting import evaluated
from dfkd_keras.experiment.reporting.assessment import Assessment
from dfkd_keras.experiment.reporting.calibration import Calibration
from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.report import write_report
from dfkd_keras.experiment.reporting.verdict import answer, costs, verdict
from dfkd_keras.experiment.run_directory import History, RunDirectory

HARD = "<script>alert(1)</script>$$\x1b[2J\0\udcff"
NAMES = (HARD, "dog", "cat")
RESULTS = {
    "method": HARD, "task": HARD, "seed": 0, "metric": "accuracy", "evaluated_on": HARD, "test_images": 10,
    "student_accuracy": 0.5, "student_accuracy_best": 0.5, "teacher_accuracy": 0.6, "agreement": 0.5, HARD: {HARD: 0.5},
    "decisions": {HARD: HARD}, "jit_compile": True,
}  # fmt: skip


def assessed(teacher, student, names=NAMES, images=None):
    """Returns an assessment of what both networks predict, with the teacher's classes as the true ones."""
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (len(teacher), 6, 6, 3), "uint8")
    calibration = Calibration(np.array([0.95, 0.95, 0.5, 0.95]), np.array([True, True, False, False]))
    return Assessment(
        Evaluation(Split(images, teacher), names, "accuracy"),
        {"teacher": teacher, "student": student},
        Diagnostics([1, 2, 0], np.ones(3), None),
        {"student": calibration, "teacher": calibration},
        {"teacher": {1: 4.0, 32: 9.0}, "student": {1: 2.0, 32: 3.0}},
    )


def written(folder, results=RESULTS, student=(1, 1, 0, 0, 0, 0, 0, 0, 0, 0)):
    run = RunDirectory(folder)
    run.configuration.write_text("a = '<b>'\nb = 2\n")
    assessment = assessed(np.array([0] * 9 + [1]), np.array(student))
    write_report(run, results, History(run.metrics, ["epoch"]), assessment)
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
    assert page.count("<svg") == 4  # agreement by class, calibration, classes and confidences of the synthetic images


def test_it_says_how_sure_the_headline_is_and_what_was_not_seen(page):
    assert "it is 23.7% to 76.3%, with 95 % confidence" in page  # Wilson's interval of 5 in 10
    assert "None of the images is of 1 of the classes to the teacher: cat." in page


def test_the_page_answers_in_the_order_of_the_questions(page):
    questions = (
        "Can it stand in for its teacher? No: they agree on 50.0% of 10 ", "Real test images", "What it confuses",
        "How sure it is", "Size and speed", "Synthetic images", "What was decided", "Training", "Configuration",
    )  # fmt: skip
    places = [page.index(question) for question in questions]
    assert places == sorted(places)
    assert "milliseconds for 32 images</td><td>teacher 9, student 3" in page
    assert "75.0% of its answers, and 66.7% of these are right" in page


def test_confused_images_are_shown_by_pairs_of_classes_beside_agreed_ones(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(evaluated, "save_image_rows", lambda path, *rows: drawn.append(rows))
    page = written(tmp_path, student=(1, 1, 2, 0, 0, 0, 0, 0, 0, 1))
    ((parts, titles),) = drawn
    counts = {title: [len(images) for images in rows] for title, (_, rows) in parts.items()}
    assert counts == {"confused": [2, 1], "the teacher's class": [3, 3], "the student's class": [1, 0]}
    assert parts["confused"][1][0].shape == (2, 6, 6, 3) and parts["confused"][1][0].max() <= 1.0
    assert [title.split("…")[-1] for title in titles] == [", not dog: 2", ", not cat: 1"]
    assert "images that teacher and student give different classes" in page
    agreed = written(tmp_path, student=(0,) * 9 + (1,))
    assert "teacher and student agree on all images" in agreed


def test_confused_pixels_are_counted_by_pairs_of_classes(tmp_path):
    masks = np.zeros((2, 6, 6), int)
    masks[:, :3] = 1
    other = np.where(masks == 1, 2, masks)
    run = RunDirectory(tmp_path)
    assessment = assessed(masks, other, ("sky", "<b>", "road"), np.zeros((2, 6, 6, 3), "uint8"))
    page = "".join(evaluated.evaluated_sections(run, RESULTS, assessment))
    assert "<td>&lt;b&gt;, not road</td><td>36</td>" in page and "% of its pixels" in page


def test_an_estimate_says_that_it_is_one_and_what_it_depends_on(tmp_path):
    estimated = {
        "metric": "estimated_agreement", "estimated_agreement": 0.9, "student_estimated_agreement": 0.9,
        "student_estimated_agreement_best": 0.9,
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
    chart = evaluated.agreement_chart(assessed(teacher, student, [f"class {index}" for index in range(40)]))
    assert chart.count('<g id="xtick_') == 20
    figures = {"metric": "agreement", "student_agreement": 0.5, "test_images": 9}
    assert verdict(figures, by_pixel=True) == []
    assert verdict(figures) == ["Of all images of this kind it is 22.7% to 77.3%, with 95 % confidence."]


@pytest.mark.parametrize(
    ("figures", "by_pixel", "said"),
    [
        ({"agreement": 0.99, "test_images": 1000}, False, "Yes: they agree on 99.0% of 1,000 real"),
        ({"agreement": 0.99, "test_images": 20}, False, "No: "),  # too few to be sure
        ({"agreement": 0.96, "test_images": 300}, False, "With care: "),
        ({"agreement": 0.96, "test_images": 3}, True, "Yes: they agree on 96.0% of pixels of 3 real"),
        ({"estimated_agreement": 0.99, "test_images": 1000}, False, "Probably: "),
        ({"estimated_agreement": 0.5, "test_images": 1000}, False, "No: "),
    ],
)
def test_the_answer_is_what_is_sure_of_the_agreement(figures, by_pixel, said):
    text = answer(figures | {"evaluated_on": "real"}, by_pixel)
    assert text.startswith(f"Can it stand in for its teacher? {said}")


def test_a_black_box_has_no_size_and_several_devices_no_times():
    assert costs({"teacher_parameters": 0, "student_parameters": 7}, {}) == {
        "parameters": {"teacher": "unknown", "student": 7}
    }
