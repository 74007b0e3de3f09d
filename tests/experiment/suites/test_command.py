"""`dfkd compare --suite` as a user runs it."""

import json

import keras
import pytest
from keras import layers

from tests.commandline import error_line, script


def compare(*arguments, cwd, **variables):
    return script("compare.py", *arguments, "--out_dir=out", cwd=cwd, timeout=300, **variables)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--suite=foreign", "--gin_file=rdskd.gin"], "--gin_file is not for a suite"),
        (["--gin_file=rdskd.gin", "--only=mnist_lenet5"], "--only is for a suite: give --suite=foreign"),
        (["--suite=nowhere"], "gin file 'nowhere' does not exist; there are: "),
        (["--suite=ssdkd_speed", "--shard=3/2"], "--shard=3/2 must be K/N with K from 1 to N"),
        (["--suite=ssdkd_speed", "--teachers=mine"], "--teachers is for --suite=foreign"),
        (["--suite=ssdkd_speed", "--publish=docs"], "--publish is for --report of a suite of methods"),
        (["--suite=ssdkd_speed", "--variants=rdskd"], "--variants=rdskd is not in this suite: use some of ssdkd"),
        (["--suite=foreign", "--minutes=0"], "--minutes=0.0 must be a number above 0"),
        (["--suite=foreign", "--seeds=a"], "--seeds=a must be different whole numbers"),
        (["--gin_file=rdskd.gin", "--seeds="], "--seeds= must be different whole numbers"),
        (["--gin_file=rdskd.gin", "--seeds=²"], "--seeds=² must be different whole numbers"),
        (["--suite=foreign", "--only=nothing"], "--only=nothing is not in this suite: use some of cifar10_resnet20"),
        (["--suite=foreign", "--teachers=nowhere"], "'nowhere/teachers.json' does not exist"),
    ],
)
def test_flags_that_do_not_fit_a_suite_are_refused(tmp_path, arguments, problem):
    assert problem in error_line(compare(*arguments, cwd=tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_methods_of_a_gin_file_are_trained_for_the_minutes_and_reported(tmp_path):
    (tmp_path / "tiny.gin").write_text(
        'MethodSuite.name = "tiny"\nMethodSuite.title = "Tiny"\n'
        'MethodSuite.tasks = {"digits": {"files": ["tasks/digits_lenet5.gin", "smoke.gin"]}}\n'
        'MethodSuite.methods = {"rdskd": {"file": "rdskd.gin"}, "zskd": {"file": "zskd.gin"}}\n'
    )
    chosen = ["--suite=tiny.gin", "--minutes=0.02"]
    process = compare(*chosen, "--shard=1/2", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    figures = json.loads((tmp_path / "out" / "digits" / "rdskd-seed0.json").read_text())
    assert figures["training_cpu_seconds"] > 0.0 and figures["curve"][-1][1] == pytest.approx(
        figures["accuracy"], abs=1e-3
    )
    assert compare(*chosen, cwd=tmp_path).stdout.count("...") == 1  # the other shard's
    assert compare(*chosen, "--report", "--publish=docs", cwd=tmp_path).returncode == 0
    assert "| rdskd |" in (tmp_path / "docs" / "tiny.md").read_text()


@pytest.mark.slow
def test_a_teacher_of_the_users_own_is_distilled_and_measured_on_its_real_images(tmp_path):
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(10)])
    model.save(tmp_path / "mine.keras")
    (tmp_path / "teachers.json").write_text(json.dumps({"mine": {"file": "mine.keras", "images": "digits"}}))
    chosen = ["--suite=foreign", "--teachers=.", "--only=mine", "--variants=auto,compact", "--minutes=0.02"]
    process = compare(*chosen, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    for variant in ("auto", "compact"):
        figures = json.loads((tmp_path / "out" / "mine" / f"{variant}-seed0.json").read_text())
        assert figures["cpu_seconds"] > 1.0 and 0.0 < figures["agreement"] <= 1.0
        assert figures["student_share"] < 0.5
    assert "| mine | auto | 0 | 0 |" in (tmp_path / "out" / "comparison.md").read_text()
    assert "..." not in compare(*chosen, cwd=tmp_path).stdout  # nothing is made again
