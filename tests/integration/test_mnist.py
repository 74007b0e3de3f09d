"""The MNIST figures of the README; half an hour each: `bash scripts/test.sh -m slow`."""

import json

import pytest

from tests.commandline import script


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_rdskd_on_mnist(tmp_path, tfds_dir, seed):
    arguments = ["--gin_file=rdskd.gin", "--gin_file=tasks/mnist_lenet5.gin", f"--seed={seed}", "--run_dir=run"]
    process = script("train.py", *arguments, cwd=tmp_path, timeout=7200, TFDS_DATA_DIR=tfds_dir)
    assert process.returncode == 0, process.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["teacher_accuracy"] >= 0.988
    assert results["student_accuracy"] >= 0.96
