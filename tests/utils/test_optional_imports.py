"""A missing package is told in one line, where it is used, and costs nothing elsewhere."""

import json
import os
import re
import subprocess
import sys

import pytest

from dfkd_keras.utils.errors import MissingDependencyError
from dfkd_keras.utils.optional_imports import require, require_package

OPTIONAL = ("keras_cv", "matplotlib", "PIL", "sklearn", "tensorboard", "tensorflow_datasets")
BLOCKED = "import sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n"


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={**os.environ})


def test_a_module_that_is_there_is_returned():
    assert require("re", "some") is re
    assert require_package("re", "some") is re


def test_a_missing_extra_is_told_in_one_line():
    with pytest.raises(
        MissingDependencyError, match=r"module 'no_such' cannot be imported .*: pip install 'dfkd_keras\[onnx\]'\.$"
    ):
        require("no_such", "onnx")


def test_a_missing_package_is_told_with_the_way_round():
    with pytest.raises(MissingDependencyError, match=r"'no_such' cannot be imported .*: pip install no-such\.$"):
        require_package("no_such", "no-such")
    with pytest.raises(MissingDependencyError, match=r": pip install no-such, or use another\.$"):
        require_package("no_such", "no-such", "use another")


def test_the_package_imports_none_of_what_only_some_runs_use():
    code = "import sys, keras\nbefore = {*sys.modules}\nimport dfkd_keras\n"
    process = python(f"{code}print(sorted({{*{OPTIONAL}}} & ({{*sys.modules}} - before)))")
    assert process.stdout.strip() == "[]", process.stdout + process.stderr


CALLS = {
    "scikit-learn": "data.digits().load('test')",
    "pillow": "data.nyuv2('.').load('test')",
    "tensorflow-datasets": "data.tfds_dataset('mnist')",
    "keras-cv": "models.deeplab_resnet_v2()",
}
MESSAGES = """
import json
from dfkd_keras import data, models
from dfkd_keras.utils.errors import MissingDependencyError
messages = {}
for package, call in json.loads(sys.argv[1]).items():
    try:
        eval(call)
    except MissingDependencyError as error:
        messages[package] = str(error)
print(json.dumps(messages))
"""


def test_without_packages_what_uses_them_says_what_to_install():
    process = python(BLOCKED.format(blocked=list(OPTIONAL)) + MESSAGES, json.dumps(CALLS))
    messages = json.loads(process.stdout.strip().splitlines()[-1])
    assert messages.keys() == CALLS.keys(), process.stderr
    for package, message in messages.items():
        assert f"pip install {package}" in message
