"""One smoke run, and everything that it leaves behind."""

import json
import re
import shutil
from pathlib import Path

import gin
import keras
import numpy as np
import pytest
from PIL import Image

from dfkd_keras import data, export, metrics
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.run_directory import read_history

KEYS = [
    "method", "task", "seed", "decisions", "backend", "jit_compile", "metric", "teacher_accuracy", "student_accuracy",
    "student_accuracy_best", "agreement", "evaluated_on",
    "test_images", "synthetic_images", "buffer_images", "synthesis_updates",
    "student_updates", "image_quality", "seconds_synthesis", "seconds_student",
    "seconds_total", "images_per_second", "stopped_by", "max_minutes", "learning_rate_factor", "peak_memory_mb",
    "teacher_parameters", "student_parameters", "versions",
]  # fmt: skip


OTHER_TEMPERATURE = (
    r"experiment \(distiller\.distillation_loss\.temperature: 10\.0, now 2\.0, by the bindings "
    r"SoftTargets\.temperature: 10\.0, now 2\.0\)"
)
CACHE = 'TeacherRecipe.cache_dir = "{}/teachers"'


def run(folder, *files, params=(), resume=True, **limits):
    cache = [] if any(param.startswith("Teacher.") for param in params) else [CACHE.format(folder)]
    configure(["rdskd.gin", "smoke.gin", *files], [*cache, *params])
    try:
        return gin.get_configurable("Experiment")().run(folder / "run", resume, **limits)
    finally:
        gin.clear_config()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return folder, run(folder)


def test_results_have_every_figure(finished):
    folder, results = finished
    assert list(results) == KEYS
    assert json.loads((folder / "run" / "results.json").read_text()) == results
    assert (results["method"], results["task"], results["seed"]) == ("rdskd", "digits_lenet5", 0)
    assert results["jit_compile"] is False or keras.config.backend() == "jax"
    assert (results["synthesis_updates"], results["student_updates"], results["synthetic_images"]) == (6, 6, 48)
    assert (results["teacher_parameters"], results["student_parameters"]) == (61_706, 15_738)
    assert results["student_accuracy_best"] >= results["student_accuracy"] - 1e-6
    rows = read_history(folder / "run" / "logs" / "metrics.csv")
    for side in ("seconds_synthesis", "seconds_student"):
        assert results[side] == pytest.approx(sum(row[side] for row in rows))
    assert results["seconds_total"] > results["seconds_synthesis"] + results["seconds_student"]
    assert {"python", "keras", "tensorflow", "numpy"} <= set(results["versions"])


def test_the_reported_accuracy_is_the_saved_students(finished):
    folder, results = finished
    student = keras.saving.load_model(folder / "run" / "student.keras")
    test = data.digits().load("test")
    classes = metrics.predicted_classes(student, test.unit_images[:64])
    assert results["student_accuracy"] == metrics.agreement(classes, test.labels[:64])


def test_metrics_have_one_row_per_epoch_with_the_active_side_only(finished):
    rows = read_history(finished[0] / "run" / "logs" / "metrics.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    for row in rows[:2]:
        assert row["seconds"] == row["seconds_synthesis"] > row["seconds_student"] == 0.0 < row["seconds_cpu"]
        assert "synthesis_loss" in row and "class_entropy" in row and "distillation_loss" not in row
    for row in rows[2:]:
        assert row["seconds"] == row["seconds_student"] > row["seconds_synthesis"] == 0.0
        assert "distillation_loss" in row and "agreement" in row and "synthesis_loss" not in row
    assert [0 <= row.get("val_accuracy", -1) <= 1 for row in rows] == [False, False, True, True]


def test_every_scheduled_event_happened(finished):
    run_dir = finished[0] / "run"
    assert sorted(path.name for path in (run_dir / "images").iterdir()) == [
        "epoch-000001.png",
        "epoch-000002.png",
    ]
    assert sorted(path.name for path in (run_dir / "checkpoints").iterdir()) == [
        "step-000000009.json",
        "step-000000009.weights.h5",
        "step-000000012.json",
        "step-000000012.weights.h5",
    ]
    assert list((run_dir / "logs" / "tensorboard").rglob("events*"))
    assert not list(run_dir.rglob(".writing*"))


def test_image_grids_are_pictures(finished):
    picture = np.array(Image.open(finished[0] / "run" / "images" / "epoch-000002.png").convert("L"))
    assert picture.shape[0] > 300 and picture.std() > 20


def test_the_export_serves_the_saved_student(finished):
    run_dir, images = finished[0] / "run", data.digits().load("test").images
    student = keras.saving.load_model(run_dir / "student.keras")
    served = export.served_classes(run_dir / "export" / "student" / "1", images)
    np.testing.assert_array_equal(served, metrics.predicted_classes(student, images / np.float32(255)))


@pytest.mark.parametrize("folder", [".", "export"])
def test_the_python_of_the_card_runs_beside_it(finished, folder, monkeypatch, capsys):
    monkeypatch.chdir(finished[0] / "run" / folder)
    blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    if keras.backend.backend() == "tensorflow":
        assert ["export/student/1" in block for block in blocks] == [False, folder == "."]
        assert all("student/1" in block for block in blocks[1:])
    for block in blocks:
        exec(block, {})
        assert "[" in capsys.readouterr().out


def test_the_report_is_one_self_contained_page(finished):
    page = (finished[0] / "run" / "report.html").read_text()
    title = "digits_lenet5: a student by rdskd, seed 0"
    for part in (title, "data:image/png;base64,", "Losses", "TwoStage.synthesis_epochs"):
        assert part in page
    assert page.count("<svg") == 7
    assert 'src="http' not in page and "<link" not in page and "<script" not in page
    assert "{title}" not in page


def test_a_complete_run_is_not_run_again(finished):
    folder, results = finished
    before = (folder / "run" / "student.keras").stat().st_mtime_ns
    assert run(folder) == results
    assert (folder / "run" / "student.keras").stat().st_mtime_ns == before


def test_another_configuration_in_the_same_folder_is_refused_with_what_differs(finished):
    with pytest.raises(ValueError, match=OTHER_TEMPERATURE):
        run(finished[0], params=["SoftTargets.temperature = 2.0"])


def test_starting_over_with_a_mistake_keeps_the_finished_run(finished):
    folder, results = finished
    with pytest.raises(ValueError, match="batch_size=7"):
        run(folder, params=["batch_size = 7"], resume=False)
    assert json.loads((folder / "run" / "results.json").read_text()) == results
    assert (folder / "run" / "student.keras").exists()


def test_the_cached_teacher_is_used_and_a_changed_recipe_trains_another(finished, tmp_path):
    def teachers_after(*params):
        configure(["rdskd.gin", "smoke.gin"], [CACHE.format(tmp_path), *params])
        try:
            gin.get_configurable("Experiment")().build()
        finally:
            gin.clear_config()
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "teachers").iterdir()}

    shutil.copytree(finished[0] / "teachers", tmp_path / "teachers")
    first = teachers_after()
    assert first == {path.name: path.stat().st_mtime_ns for path in (finished[0] / "teachers").iterdir()}
    assert teachers_after("Experiment.seed = 1") == first
    assert len(teachers_after("TeacherRecipe.seed = 1")) == 2


def test_alternating_steps_share_their_time_between_both_sides(tmp_path):
    results = run(tmp_path, "alternating.gin")
    rows = read_history(tmp_path / "run" / "logs" / "metrics.csv")
    assert [row["seconds_synthesis"] + row["seconds_student"] for row in rows] == [0.0] * len(rows)
    whole, shares = sum(row["seconds"] for row in rows), [results["seconds_synthesis"], results["seconds_student"]]
    assert sum(shares) == pytest.approx(whole) and min(shares) > 0
    assert (results["synthesis_updates"], results["student_updates"]) == (6, 6)


def test_distilling_never_loads_a_training_split(finished, tmp_path):
    """With a teacher from a file, the training data may as well not exist."""
    loaded = []
    original = data.digits

    def watched(size=32):
        made = original(size)
        return data.ImageDataset(
            made.name, made.image_shape, made.class_names, lambda split: loaded.append(split) or made.load(split)
        )

    (teacher,) = (finished[0] / "teachers").iterdir()
    gin.external_configurable(watched, "watched_digits")
    run(tmp_path, params=["data = @watched_digits()", f'Teacher.path = "{teacher}"'])
    assert set(loaded) == {"test"}


def test_a_non_finite_loss_at_half_the_rates_too_stops_with_its_name_and_step_and_keeps_the_last_checkpoint(tmp_path):
    params = ["synthesis/Adam.learning_rate = @synthesis/PiecewiseConstantDecay()"]
    params += ["synthesis/PiecewiseConstantDecay.boundaries = [3]"]
    params += ["synthesis/PiecewiseConstantDecay.values = [0.001, 1e38]"]
    with pytest.raises(FloatingPointError, match=r"(is nan|is inf|not finite).*epoch 2.*last good checkpoint"):
        run(tmp_path, params=params)
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert [path.name for path in checkpoints] == ["step-000000003.json", "step-000000003.weights.h5"]
    assert not (tmp_path / "run" / "results.json").exists()


def test_teachers_of_other_tasks_are_refused(tmp_path):
    from dfkd_keras import models

    models.lenet5(num_classes=7).save(tmp_path / "seven.keras")
    models.lenet5(image_shape=(32, 32, 3)).save(tmp_path / "color.keras")
    with pytest.raises(ValueError, match=r"'lenet5' has 7 outputs, but task 'digits_lenet5' has 10 classes"):
        run(tmp_path, params=[f'Teacher.path = "{tmp_path}/seven.keras"'])
    with pytest.raises(ValueError, match=r"takes images of shape \(32, 32, 3\), but task"):
        run(tmp_path, params=[f'Teacher.path = "{tmp_path}/color.keras"'], resume=False)


def test_a_run_that_fit_would_refuse_leaves_no_folder_and_keeps_an_earlier_run(finished, tmp_path):
    (teacher,) = (finished[0] / "teachers").iterdir()
    refused = [f'Teacher.path = "{teacher}"', "Experiment.steps_per_execution = 2"]  # 3 steps make an epoch
    with pytest.raises(ValueError, match=r"steps_per_execution=2\) does not divide the 3 steps"):
        run(tmp_path, params=refused)
    assert not (tmp_path / "run").exists()
    shutil.copytree(finished[0] / "run", tmp_path / "run")
    with pytest.raises(ValueError, match="does not divide"):
        run(tmp_path, params=refused, resume=False)
    assert (tmp_path / "run" / "results.json").exists()
