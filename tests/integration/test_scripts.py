"""The other commands, as a user calls them."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from dfkd_keras.data import array_dataset
from tests.commandline import environment, error_line, script, smoke


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    process = smoke("train.py", "--run_dir=run", cwd=folder)
    assert process.returncode == 0, process.stderr
    assert "see run/report.html" in process.stdout
    return folder


def test_evaluate_agrees_with_the_run_for_file_and_savedmodel(trained):
    results = json.loads((trained / "run" / "results.json").read_text())
    for student in ("run/student.keras", "run/export/student/1"):
        process = smoke("evaluate.py", f"--student={student}", cwd=trained)
        assert process.returncode == 0, process.stderr
        told = json.loads(process.stdout.splitlines()[-1])
        assert told["accuracy"] == results["student_accuracy"]
        assert told["agreement"] == results["agreement"]
        assert told["test_images"] == 64


def test_evaluate_reports_a_missing_student(trained):
    process = smoke("evaluate.py", "--student=nowhere.keras", cwd=trained)
    assert "'nowhere.keras' does not exist" in error_line(process)


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(trained):
    (trained / "file").write_text("mine")
    into = "--out_dir=file/out"
    for name, flag in (
        ("train_teacher.py", "--output=file/teacher.keras"),
        ("export_arrays.py", into),
        ("invert.py", into),
    ):
        assert "cannot be written" in error_line(smoke(name, flag, cwd=trained))


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--minutes=0"], "--minutes=0.0 must be a number above 0"),
        (["--cpu_minutes=1", "--max_minutes=1"], "--cpu_minutes and --max_minutes do not go together"),
        (["--minutes=1", "--strategy=mirrored"], "--minutes and --strategy do not go together"),
    ],
)
def test_minutes_that_cannot_be_kept_are_refused(tmp_path, flags, problem):
    assert problem in error_line(smoke("train.py", *flags, cwd=tmp_path))


def test_a_dry_run_prints_configuration_and_plan_and_writes_nothing(tmp_path):
    process = smoke("train.py", "--dry_run", "--run_dir=run", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "SoftTargets.temperature = " in process.stdout
    assert all(f"\n{line}" in process.stdout for line in ("updates:", "images:", "time:", "memory:"))
    assert not list(tmp_path.iterdir())


def test_inspect_lists_the_methods_that_work_with_a_teacher(trained):
    process = script("inspect_teacher.py", f"--teacher={trained}/run/student.keras", cwd=trained)
    assert process.returncode == 0, process.stderr
    (methods,) = [line for line in process.stdout.splitlines() if line.startswith("methods")]
    assert "rdskd" in methods and "ssdkd" not in methods
    assert "no BatchNormalization layer" in process.stdout


OWN = """
import keras

@keras.saving.register_keras_serializable()
class Own(keras.layers.Layer):
    def call(self, inputs):
        return 1.0 * inputs

def model():
    images = keras.Input((None, None, 3))
    features = Own()(keras.layers.Lambda(lambda values: values / 2.0)(images))
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(images, [keras.layers.Dense(classes, name=f"of_{classes}")(pooled) for classes in (4, 5)])

def brightness(images):
    return images.mean(axis=(1, 2))
"""


def test_inspect_reads_a_teacher_with_the_flags_that_its_errors_name(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    save = "import own; own.model().save('model.keras')"
    subprocess.run([sys.executable, "-c", save], cwd=tmp_path, env=environment(), check=True)
    flags = ["--output=of_5", "--allow_code", "--custom_objects=own"]
    process = script("inspect_teacher.py", "--teacher=model.keras", "--image_shape=12,10,3", *flags, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "(12, 10, 3)" in process.stdout and "of 5 classes" in process.stdout
    for flag in flags:
        others = [each for each in flags if each != flag]
        message = error_line(script("inspect_teacher.py", "--teacher=model.keras", *others, cwd=tmp_path))
        assert flag.partition("=")[0] in message


def test_inspect_is_told_the_shape_of_images_that_a_teacher_does_not_know(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    for flags, message in (
        ([], "--image_shape=32,32,3"),
        (["--image_shape=a,12,3"], "--image_shape=a,12,3 must be height,width,channels"),
    ):
        assert message in error_line(script("inspect_teacher.py", "--teacher=own:brightness", *flags, cwd=tmp_path))
    process = script("inspect_teacher.py", "--teacher=own:brightness", "--image_shape=12,12,3", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "(12, 12, 3)" in process.stdout


def test_inspect_shows_one_model_at_a_time(tmp_path):
    process = script("inspect_teacher.py", "--teacher=a.keras", "--run_dir=run", cwd=tmp_path)
    assert "--teacher and --run_dir name different models" in error_line(process)


def test_inspect_shows_the_card_of_a_student(trained):
    process = script("inspect_teacher.py", "--run_dir=run", cwd=trained)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("# digits_lenet5: a student by rdskd, seed 0\n")
    assert "## Limits" in process.stdout and "library_name" not in process.stdout


def test_train_teacher_saves_a_teacher_that_train_takes(trained):
    process = smoke("train_teacher.py", "--output=teacher.keras", cwd=trained)
    assert process.returncode == 0, process.stderr
    assert "on real test images" in process.stdout and (trained / "teacher.keras").exists()
    process = smoke("train.py", '--gin_param=Teacher.path = "teacher.keras"', "--run_dir=given", cwd=trained)
    assert process.returncode == 0, process.stderr


def test_benchmark_ends_in_one_line_of_json(trained):
    process = smoke("benchmark.py", "--batch_size=16", "--steps=2", cwd=trained)
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout.splitlines()[-1])
    assert told["batch_size"] == 16
    for name in ("seconds_per_synthesis_update", "seconds_per_student_update", "images_per_second"):
        assert told[name] > 0
    assert told["peak_memory_mb"] > 100 and told["first_step_seconds"] > told["seconds_per_synthesis_update"]
    assert told["import_keras_seconds"] > 0 and "import_dfkd_keras_seconds" in told


def test_benchmark_of_a_task_without_data_or_teacher_needs_neither(tmp_path):
    process = script(
        "benchmark.py", "--gin_file=rdskd.gin", "--gin_file=tasks/mnist_lenet5.gin", "--batch_size=4", "--steps=1",
        cwd=tmp_path, TFDS_DATA_DIR=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("name", "method"), [("benchmark.py", "rdskd.gin"), ("invert.py", "deepinversion.gin")])
def test_a_binding_without_effect_is_an_error_of_every_command_that_trains(tmp_path, name, method):
    arguments = (
        "--gin_file=smoke.gin",
        "--gin_param=TeacherRecipe.trained = False",
        "--gin_param=Alternating.epochs = 7",
    )
    process = script(name, f"--gin_file={method}", *arguments, cwd=tmp_path)
    assert "Alternating.epochs = 7 (--gin_param) has no effect" in error_line(process)


def test_invert_saves_images_and_tells_who_agrees(trained):
    process = script(
        "invert.py", "--gin_file=deepinversion.gin", "--gin_file=smoke.gin", "--images=12", "--out_dir=inverted",
        f"--judge={trained}/run/student.keras", cwd=trained,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    told = json.loads(process.stdout.splitlines()[-1])
    assert told["images"] == 12
    assert all(0 <= told[name] <= 1 for name in ("teacher", f"{trained}/run/student.keras"))
    saved = np.load(trained / "inverted" / "images.npz")
    assert (saved["images"].shape, saved["images"].dtype) == ((12, 32, 32, 1), np.uint8)
    assert sorted(np.bincount(saved["targets"], minlength=10)) == [1] * 8 + [2] * 2
    assert (trained / "inverted" / "images.png").exists()


def test_invert_refuses_a_method_without_a_first_stage_of_rounds(trained):
    process = script("invert.py", "--gin_file=ssdkd.gin", "--gin_file=smoke.gin", "--images=8", cwd=trained)
    assert "ssdkd does not make all its images first" in error_line(process)


def test_invert_refuses_a_segmenter(tmp_path):
    files = "--gin_file=deepinversion.gin", "--gin_file=tasks/shapes_deeplab.gin", "--gin_file=smoke.gin"
    untrained = "--gin_param=TeacherRecipe.trained = False"
    process = script("invert.py", *files, untrained, "--gin_param=target_term = @OneHotCrossEntropy()", cwd=tmp_path)
    assert "predicts a class for each pixel: name a classifier's task" in error_line(process)


def test_export_arrays_writes_what_another_machine_needs(trained):
    process = smoke("export_arrays.py", "--out_dir=arrays", cwd=trained)
    assert process.returncode == 0, process.stderr
    assert array_dataset(str(trained / "arrays" / "test.npz")).load("test").images.shape == (360, 32, 32, 1)
    binding = "--gin_file=arrays/arrays.gin", "--gin_param=TeacherRecipe.cache_dir = 'nowhere'"
    process = smoke("evaluate.py", *binding, "--student=run/student.keras", cwd=trained)
    assert process.returncode == 0, process.stderr
    assert not (trained / "nowhere").exists()


def test_the_teacher_of_another_precision_is_that_of_the_training(trained):
    process = smoke("inspect_teacher.py", '--gin_param=Experiment.precision = "mixed_bfloat16"', cwd=trained)
    assert process.returncode == 0, process.stderr
    newest = max((trained / "runs" / "teachers").glob("*.keras"), key=lambda path: path.stat().st_mtime)
    assert "mixed_bfloat16" in zipfile.ZipFile(newest).read("config.json").decode()
