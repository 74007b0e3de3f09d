import importlib
import json
import re

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import dfkd_keras as dk
from dfkd_keras.experiment.distillation.budget import OVERRUN, Length
from dfkd_keras.experiment.distillation.given_teacher import as_path
from dfkd_keras.experiment.run_directory import History, RunDirectory
from dfkd_keras.utils.errors import InvalidInputError
from tests.commandline import error_line, script

SHAPE = (10, 9, 3)


def teacher(name="photographs"):
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(8, 3, strides=2, activation="relu"), layers.Flatten(), layers.Dense(1)]
    return keras.Sequential([layers.Input(SHAPE), *body, layers.Activation("sigmoid")], name=name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a few seconds by the command line, with the process and its folder."""
    folder = tmp_path_factory.mktemp("distill")
    teacher().save(folder / "model.h5")
    process = script("distill.py", "--teacher=model.h5", "--minutes=0.02", "--input_range=0..255", cwd=folder)
    assert process.returncode == 0, process.stderr
    return folder, process


def test_the_command_says_what_it_found_decided_and_made(finished):
    folder, process = finished
    run = "runs/distill-model-seed0"
    for expected in (
        "photographs (hdf5): ", "10x9, color", "0..255 (as --input_range says)", "sigmoid, one for two classes",
        "--method", "--student", "--minutes", "--images=FOLDER", "estimated agreement with the teacher",
        f"{run}/student.keras", f"{run}/report.html", f"dfkd train --gin_file={run}/config.gin",
    ):  # fmt: skip
        assert expected in process.stdout
    assert (folder / run / "export" / "student" / "1" / "saved_model.pb").exists()


def test_a_first_estimate_is_said_before_training(finished):
    assert re.search(r"before training: estimated agreement with the teacher \d+\.\d\d%", finished[1].stderr)


def test_the_results_say_what_was_decided_and_why(finished):
    results = json.loads((finished[0] / "runs/distill-model-seed0/results.json").read_text())
    assert results["method"] == "procedural"
    assert results["decisions"]["method"].startswith("baselines/procedural (procedural images, which fit any teacher; ")
    assert (
        "slim copy of the teacher, 35% of its parameters, as 25% are not possible (" in results["decisions"]["student"]
    )


def test_without_images_agreement_is_an_estimate_and_never_called_accuracy(finished):
    results = json.loads((finished[0] / "runs/distill-model-seed0/results.json").read_text())
    assert results["metric"] == "estimated_agreement"
    assert results["evaluated_on"] == "held-out procedural images"
    assert 0.0 <= results["estimated_agreement"] == results["student_estimated_agreement"] <= 1.0
    assert not [name for name in results if "accuracy" in name] and "agreement" not in results


def test_the_student_stands_in_the_place_of_the_teacher(finished):
    student = keras.saving.load_model(finished[0] / "runs/distill-model-seed0/student.keras")
    images = 255.0 * np.random.default_rng(0).uniform(size=(4, *SHAPE)).astype("float32")
    outputs = student(images)
    assert outputs.shape == (4, 1)
    assert float(np.min(outputs)) >= 0.0 and float(np.max(outputs)) <= 1.0


def test_the_same_command_finds_the_run_complete(finished):
    folder, _ = finished
    before = (folder / "runs/distill-model-seed0/results.json").read_text()
    process = script("distill.py", "--teacher=model.h5", "--minutes=0.02", "--input_range=0..255", cwd=folder)
    assert process.returncode == 0, process.stderr
    assert (folder / "runs/distill-model-seed0/results.json").read_text() == before


def test_train_makes_the_same_run_of_its_configuration(finished):
    folder, _ = finished
    gin_file = "--gin_file=runs/distill-model-seed0/config.gin"
    process = script("train.py", gin_file, "--run_dir=again", cwd=folder)
    assert process.returncode == 0, process.stderr
    first, again = (folder / name for name in ("runs/distill-model-seed0", "again"))
    assert (again / "identity.json").read_text() == (first / "identity.json").read_text()


def test_a_model_in_memory_becomes_a_student_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, color in (("cats", 40), ("dogs", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (30, 20), (color, index, 0)).save(tmp_path / "photos" / name / f"{index}.png")
    model = teacher("pets")
    names = {"class_names": ["cats", "dogs"], "images": "photos", "input_range": "0..1"}
    student = dk.distill(model, minutes=0.01, verbose=False, **names)
    assert student.output_shape == model.output_shape
    assert model.trainable  # the teacher was a copy
    results = json.loads((tmp_path / "runs/distill-pets-seed0/results.json").read_text())
    assert results["metric"] == "accuracy" and results["test_images"] == 6
    assert results["student_parameters"] < results["teacher_parameters"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no teacher: give --teacher"),
        (["--teacher=nowhere.h5"], "'nowhere.h5' does not exist"),
        (["--teacher=model.h5", "--image_shape=a,b"], "--image_shape=a,b must be height,width,channels"),
        (["--teacher=model.h5", "--method=nothing"], "gin file 'nothing.gin' does not exist"),
        (["--teacher=model.h5", "--images=nowhere"], "nowhere"),
        (["--teacher=model.h5", "--input_range=bytes"], "input_range='bytes' is unknown"),
        (["--teacher=model.h5", "--gin_file=rdskd.gin"], "name a method by --method"),
    ],
)
def test_mistakes_are_told_in_one_line_and_leave_no_folder(finished, tmp_path, flags, message):
    teacher().save(tmp_path / "model.h5")
    assert message in error_line(script("distill.py", *flags, cwd=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["model.h5"]


def test_an_object_that_is_no_teacher_is_refused():
    with pytest.raises(InvalidInputError, match="cannot be named in a configuration"):
        dk.distill(object())


@pytest.mark.parametrize("method", ["ssdkd", "inverted_procedural"])
def test_a_teacher_with_batch_norm_gets_the_best_method_that_the_time_is_enough_for(tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([layers.Input((8, 8, 1)), *body], name="normed")
    options = {"bindings": ["batch_size = 8"], "input_range": "0..1", "verbose": False, "run_dir": "run"}

    def planned(experiment, minutes):
        return Length({"student_epochs": 1}, epochs=5.0 if experiment.method == method else 0.4)

    monkeypatch.setattr(importlib.import_module(dk.distill.__module__), "planned_length", planned)
    for _ in range(2):  # the second time it finds the finished run, whatever time decided
        student = dk.distill(model, **options)
        assert student(np.zeros((1, 8, 8, 1))).shape == (1, 3)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["method"] == method
    assert results["decisions"]["bindings"] == "yours, which override the above: batch_size = 8"


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A run of 60 minutes that was interrupted after the first of its two epochs; returns how to resume it."""
    monkeypatch.chdir(tmp_path)
    module, append = importlib.import_module(dk.distill.__module__), History.append
    monkeypatch.setattr(module, "planned_length", lambda *_: Length({"student_epochs": 2, "steps_per_epoch": 2}, 2.0))

    def interrupt(history, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt
        append(history, row)

    def resume(minutes):
        dk.distill(
            teacher(), minutes=minutes, method="baselines/procedural", input_range="0..1", verbose=False, run_dir="run"
        )
        return json.loads((tmp_path / "run" / "results.json").read_text())

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(History, "append", interrupt)
        resume(60)
    return resume


def test_a_call_with_less_time_does_not_cut_off_the_run_that_it_resumes(interrupted):
    results = interrupted(1e-9)
    assert (results["stopped_by"], results["max_minutes"]) == (None, OVERRUN * 60)


def test_a_run_of_an_earlier_version_says_its_time_in_its_configuration(interrupted, tmp_path):
    RunDirectory(tmp_path / "run").limits.unlink()
    assert interrupted(1e-9)["max_minutes"] == OVERRUN * 60


def test_a_student_from_scratch_gets_balanced_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dk.distill(teacher(), minutes=0.02, student="compact", input_range="0..255", verbose=False, run_dir="run")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["method"] == "procedural_replay"
    assert results["student_updates"] == 4 * results["buffer_images"] / 128


def test_a_python_function_is_distilled_by_its_outputs_alone(tmp_path):
    (tmp_path / "my_teacher.py").write_text(
        "import numpy as np\n"
        "def brightness(images):\n"
        "    red = images[..., 0].mean(axis=(1, 2))\n"
        "    return np.stack([red, 1 - red], axis=-1)\n"
    )
    flags = ["--teacher=my_teacher:brightness", "--image_shape=12,12,3", "--minutes=0.02", "--run_dir=run"]
    process = script("distill.py", *flags, "--gin_param=batch_size = 16", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "a black box" in process.stdout and "outputs only" in process.stdout
    refused = error_line(script("distill.py", *flags, "--method=rdskd", "--noresume", cwd=tmp_path))
    assert "of which only the outputs are known: use ProceduralImages" in refused


def test_models_of_the_same_weights_are_not_confused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [
        keras.Sequential([layers.Input((4, 4, 1)), layers.Rescaling(scale), layers.Flatten()], name="net")
        for scale in (1 / 255, 2.0)
    ]
    for model in models:
        path, _ = as_path(model)
        assert keras.saving.load_model(path).layers[0].scale == model.layers[0].scale
