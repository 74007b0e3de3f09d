"""A run folder may be someone else's: its configuration runs no code unasked."""

import pytest

from dfkd_keras.experiment.run_directory.foreign_code import code_in
from tests.commandline import error_line, script


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from os import system",
        'include "elsewhere.gin"',
        "saved_model.safe_mode = False",
        "scope/Teacher.safe_mode = %unsafe",
        "saved_model:\n    safe_mode = 0",
        "student_file.safe_mode = \\\n    False",
        "Teacher.custom_objects = 'my_layers'",
        "python_network.function = 'my_module:build'",
        "Teacher.path = 'my_module:teacher'",
        "Teacher.path = 'my_module:make.teacher'",
        "Teacher.path = '''my_module:teacher'''",
        r"Teacher.path = 'my_module\x3ateacher'",
        "where = 'my_module:teacher'\nTeacher.path = %where",
        "Teacher.path = (\n    'my_module:teacher')",
    ],
)
def test_a_line_that_has_code_run_is_found(line):
    found = code_in(f"# a comment\nbatch_size = 4\n{line}\nExperiment.seed = 1")
    assert found and found in line


@pytest.mark.parametrize(
    "line",
    [
        "saved_model.safe_mode = True",
        "Teacher.custom_objects = None",
        "Teacher.path = 'teachers/cats.keras'",
        "Teacher.path = 'http://localhost:8501/v1/models/cats'",
        "Teacher.path = 'keras.applications:MobileNetV2'",
        "Teacher.path = 'keras_hub:preset'",
        "Task.name = 'import'",
        "Task.class_names = ['dog:small', 'dog:large']",
        "this is no gin",
        "# import os",
    ],
)
def test_what_only_configures_passes(line):
    assert code_in(f"batch_size = 4\n{line}") is None


def test_a_run_that_brings_code_is_exported_only_if_that_is_allowed(tmp_path):
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.gin").write_text("import evil\n")
    refused = error_line(script("export.py", "--run_dir=run", cwd=tmp_path))
    assert "config.gin of run_dir 'run' has code run ('import evil'): give --allow_code if you trust" in refused
    assert not (tmp_path / "ran").exists()
    error_line(script("export.py", "--run_dir=run", "--allow_code", cwd=tmp_path))  # it is no complete run
    assert (tmp_path / "ran").exists()
