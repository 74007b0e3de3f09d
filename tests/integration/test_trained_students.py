"""Three students, distilled and exported by the scripts, keep what they learnt in every format: the table of
docs/serving.md, made on the embedded digits."""

import json

import keras
import numpy as np
import pytest

from dfkd_keras import data
from dfkd_keras.export import FORMATS, ServedStudent
from tests.commandline import script
from tests.export.elsewhere import logits_elsewhere

BUDGET = ["batch_size = 64", "steps_per_epoch = 30", "synthesis_epochs = 2", "student_epochs = 7"]
STUDENTS = {"lenet5_half": [], "cifar_resnet": ["depth = 8"], "wide_resnet": ["depth = 16", "width = 1"]}
RELATIVE = {"savedmodel": 1e-5, "litert": 1e-5, "onnx": 1e-5, "litert_float16": 1e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working folder, where the first run leaves its teacher to the others."""
    return tmp_path_factory.mktemp("trained")


def bindings(name, arguments):
    shared = ["image_shape = %image_shape", "normalization = %normalization"]
    return [*BUDGET, f"Task.student = @{name}", *(f"{name}.{argument}" for argument in [*shared, *arguments])]


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDENTS)
def test_a_trained_student_says_the_same_in_every_format(folder, name):
    params = [f"--gin_param={binding}" for binding in bindings(name, STUDENTS[name])]
    process = script("train.py", "--gin_file=rdskd.gin", f"--run_dir={name}", *params, cwd=folder, timeout=1800)
    assert process.returncode == 0, process.stderr
    process = script("export.py", f"--run_dir={name}", "--format=all", cwd=folder)
    assert process.returncode == 0, process.stderr
    reports = json.loads(process.stdout.splitlines()[-1])
    for format_name, limit in RELATIVE.items():
        assert reports[format_name]["relative_logit_difference"] < limit, format_name
    assert all(report["lost_accuracy"] <= 0.01 for report in reports.values()), reports
    test = data.digits().load("test")
    served = ServedStudent(keras.saving.load_model(folder / name / "student.keras"))
    expected = served.logits(test.images)
    assert np.mean(expected.argmax(axis=-1) == test.labels) > 0.3, "it has learnt something"
    for format_name in FORMATS:
        logits = logits_elsewhere(format_name, folder / reports[format_name]["path"], test.images, folder)
        difference = np.abs(logits - expected).max()
        assert difference == pytest.approx(reports[format_name]["largest_logit_difference"], abs=1e-4), format_name
