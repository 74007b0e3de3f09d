"""Packages that only some jobs need are imported where they are used, so that the rest works without them."""

import json
import subprocess
import sys

import pytest

from tests.commandline import ROOT, environment

OPTIONAL = (
    "ai_edge_litert", "grpc", "keras_cv", "keras_hub", "matplotlib", "onnxruntime", "sklearn", "tensorboard",
    "tensorflow_datasets", "tensorflow_serving", "tf2onnx",
)  # fmt: skip
EVERYTHING = """
import importlib, json, pkgutil, sys

blocked = json.loads(sys.argv[1])

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocker())
import dfkd_keras
from absl import flags

for module in pkgutil.walk_packages(dfkd_keras.__path__, "dfkd_keras."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
    if module.name != "dfkd_keras.cli.configuration":  # two commands may have flags of the same name
        for flag in list(flags.FLAGS.flags_by_module_dict().get(module.name, [])):
            delattr(flags.FLAGS, flag.name)
"""
ONEDNN = """
import json, os, sys

os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
if own := json.loads(sys.argv[1]):
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = own

class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            print(os.environ["TF_ENABLE_ONEDNN_OPTS"])

sys.meta_path.insert(0, Watcher())
import dfkd_keras
"""


def run(code, *arguments, **variables):
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment(**variables), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_every_module_is_imported_where_optional_packages_are_not_installed():
    run(EVERYTHING, json.dumps(OPTIONAL))


def test_on_jax_every_module_is_imported_where_tensorflow_is_not_installed():
    pytest.importorskip("jax")
    run(EVERYTHING, json.dumps([*OPTIONAL, "tensorflow"]), KERAS_BACKEND="jax")


@pytest.mark.parametrize(("own", "value"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_when_tensorflow_is_imported_unless_the_user_has_decided(own, value):
    pytest.importorskip("tensorflow")
    assert run(ONEDNN, json.dumps(own), KERAS_BACKEND="tensorflow").split() == [value]
