"""The main claim, on real digits: students distilled without data are good ones."""

import json

import pytest

from tests.commandline import script


def accuracies(folder, gin_file, *bindings):
    parameters = [f"--gin_param={binding}" for binding in bindings]
    process = script("train.py", f"--gin_file={gin_file}", "--run_dir=run", *parameters, cwd=folder, timeout=1200)
    assert process.returncode == 0, process.stderr
    results = json.loads((folder / "run" / "results.json").read_text())
    return results["teacher_accuracy"], results["student_accuracy"]


def test_a_tenth_of_the_training_gives_a_student_far_above_chance(tmp_path):
    teacher, student = accuracies(tmp_path, "ssdkd.gin", "student_epochs = 1")
    assert teacher >= 0.97
    assert student >= 0.6  # about 0.8; machines round differently, and chance is 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("gin_file", "promised"), [("rdskd.gin", 0.93), ("ssdkd.gin", 0.97)])
def test_the_whole_training_gives_the_student_of_the_readme(tmp_path, gin_file, promised):
    assert accuracies(tmp_path, gin_file)[1] >= promised
