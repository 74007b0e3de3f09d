"""What a wrong call gets: one line that names the value and the remedy, and nothing half-written."""

import re

import pytest

from dfkd_keras import models
from tests.commandline import error_line, script, smoke

UNTRAINED = "--gin_param=TeacherRecipe.trained = False"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gin_file=no_such.gin"], r"'no_such.gin' does not exist; there are: .*rdskd\.gin"),
        (["--gin_param=NoSuchTerm.weight = 1"], "NoSuchTerm"),
        (["--gin_param=SoftTargets.heat = 1"], "heat"),
        (["--gin_param=batch_size = 7"], "batch_size=7 .*use an even batch size"),
        (["--gin_param=batch_size = 1"], "batch_size=1 .*use an even batch size"),
        (["--gin_param=SoftTargets.temperature = 0"], "temperature=0 must be positive"),
        (["--gin_param=Experiment.images_every_epochs = 0"], "images_every_epochs=0 must be a whole number"),
        (["--gin_param=steps_per_epoch = 0"], "steps_per_epoch=0 must be a whole number"),
        (["--gin_param=SoftTargets.temperature = 'hot'"], "temperature='hot' must be positive"),
        (["--gin_param=Normalization.mean = 0.5"], r"mean=0\.5 .* must be tuples"),
        (["--seed=-1"], "seed=-1 must be a whole number from 0 to"),
        (["--gin_param=batchsize = 4"], "'batchsize' .* is not a macro of the given files: did you mean batch_size"),
        (["extra"], "argument 'extra' is not understood"),
        (["--gin_file=zskd.gin", "--gin_file=smoke.gin",
          "--gin_param=Experiment.early_stopping = @AgreementEarlyStopping()"], "PixelInversion has no generator"),
        (["--gin_file=dafl.gin", "--gin_file=smoke.gin",
          "--gin_param=Activation.feature = 'stage_9'"], "'stage_9' is not among the teacher's features penultimate"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_in_one_line(tmp_path, arguments, message):
    process = smoke("train.py", UNTRAINED, *arguments, "--run_dir=run", cwd=tmp_path)
    assert re.search(message, error_line(process)), process.stderr
    assert "0x" not in process.stderr, "no addresses of functions in messages"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.keras", "'missing.keras' does not exist: check the path"),
        ("truncated.keras", "'truncated.keras' cannot be loaded.*truncated"),
    ],
)
def test_a_wrong_teacher_is_told_in_one_line(tmp_path, path, message):
    models.lenet5().save(tmp_path / "whole.keras")
    content = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "truncated.keras").write_bytes(content[: len(content) // 2])
    process = smoke("train.py", f'--gin_param=Teacher.path = "{path}"', "--run_dir=run", cwd=tmp_path)
    assert re.search(message, error_line(process)), process.stderr
    assert "0x" not in process.stderr, "no addresses of functions in messages"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gin_param=buffer_images = 5"], r"capacity_images=5 cannot hold the 8 images that a round writes"),
        (["--gin_param=warmup_rounds = 9"], r"warmup_rounds=9 and one more take 41 steps.*raise rounds_per_epoch to"),
        (["--gin_param=PrioritySampling.priority_exponent = -1"], r"priority_exponent=-1 must be a number of at least"),
        (["--gin_param=Modulation.gamma = -1"], r"Modulation\.gamma=-1 must be a number of at least 0"),
        (["--gin_param=TeacherRecipe.model = @lenet5"], r"no BatchNormalization layer.*weight 0, or choose another"),
        (["--gin_param=DataFreeDistiller.replay = @FreshSamples()"], r"use a ReplayBuffer"),
        (["--gin_param=ReplayBuffer.sampling = @UniformSampling()",
          "--gin_param=ReplayBuffer.eviction = @LowestPriorityFirst()"], r"LowestPriorityFirst needs priorities"),
    ],
)  # fmt: skip
def test_wrong_values_of_the_fast_family_are_told_in_one_line(tmp_path, arguments, message):
    configuration = ["--gin_file=ssdkd.gin", "--gin_file=smoke.gin", UNTRAINED]
    process = script("train.py", *configuration, *arguments, "--run_dir=run", cwd=tmp_path)
    assert re.search(message, error_line(process)), process.stderr
    assert not (tmp_path / "run").exists()


def test_no_configuration_at_all(tmp_path):
    assert "--gin_file=rdskd.gin" in error_line(script("train.py", cwd=tmp_path))


def test_a_task_without_a_method(tmp_path):
    line = error_line(script("train.py", "--gin_file=tasks/mnist_lenet5.gin", cwd=tmp_path))
    assert "incomplete" in line and "--gin_file=rdskd.gin" in line


def test_an_unknown_flag_is_told(tmp_path):
    process = script("train.py", "--gin_fil=rdskd.gin", cwd=tmp_path)
    assert process.returncode == 1
    assert "Unknown command line flag 'gin_fil'" in process.stderr + process.stdout


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    process = smoke("train.py", "--run_dir=run", "--noresume", cwd=tmp_path)
    assert "exists but is not a run directory: choose another --run_dir" in error_line(process)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_missing_data_name_the_set_the_folder_and_the_remedies(tmp_path):
    process = smoke(
        "train.py", "--gin_file=tasks/mnist_lenet5.gin", "--gin_param=tfds_dataset.download = False",
        cwd=tmp_path, TFDS_DATA_DIR=tmp_path / "empty",
    )  # fmt: skip
    line = error_line(process)
    assert "'mnist'" in line and "empty" in line and "TFDS_DATA_DIR" in line and "tfds build mnist" in line
