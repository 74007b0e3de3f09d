"""The report is a page, whatever the names in it are."""

import numpy as np
import pytest

from dfkd_keras.experiment.reporting.diagnostics import Diagnostics
from dfkd_keras.experiment.reporting.report import write_report
from dfkd_keras.experiment.run_directory import History, RunDirectory

HARD = "<script>alert(1)</script>$$\x1b[2J\0\udcff"
RESULTS = {
    "method": HARD, "task": HARD, "seed": 0, "metric": "accuracy", "evaluated_on": HARD, "test_images": 10,
    "student_accuracy": 0.5, "student_accuracy_best": 0.5, "teacher_accuracy": 0.6, HARD: {HARD: 0.5},
}  # fmt: skip


@pytest.fixture
def page(tmp_path):
    run = RunDirectory(tmp_path)
    run.configuration.write_text("a = '<b>'\nb = 2\n")
    write_report(run, RESULTS, History(run.metrics, ["epoch"]), [HARD, "dog"], Diagnostics([1, 2], np.ones(3), None))
    return run.report.read_text()


def test_names_of_any_kind_are_text_of_the_page(page):
    assert "<script" not in page and "\x1b" not in page and "\0" not in page
    assert page.count(r"&lt;script&gt;alert(1)&lt;/script&gt;$$\x1b[2J\x00\udcff") >= 6


def test_the_configuration_keeps_its_lines(page):
    assert "<pre>a = &#x27;&lt;b&gt;&#x27;\nb = 2</pre>" in page
