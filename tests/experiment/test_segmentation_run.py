"""Smoke runs on segmentation, on real and on synthetic images: what they report, draw and export."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dfkd_keras import data, metrics
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.run_directory import read_history
from tests.methods.test_segmentation import TASK

SMOKE = ["image_shape = (32, 32, 3)", "shapes.size = 32", "shapes.train_images = 24", "shapes.test_images = 8"]
SMOKE += ["teacher/small_deeplab.width = 4", "student/small_deeplab.width = 4", "batch_size = 4"]
SMOKE += ["TeacherRecipe.train_images = 24", "TeacherRecipe.batch_size = 8", "Task.test_images = 8"]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture(scope="module", params=[pytest.param("baselines/real_data.gin", marks=pytest.mark.slow), "ssdkd.gin"])
def finished(request, teachers, tmp_path_factory):
    folder, cache = tmp_path_factory.mktemp("segmentation"), f'TeacherRecipe.cache_dir = "{teachers}"'
    configure([request.param, TASK, "smoke.gin"], [*SMOKE, cache])
    try:
        return folder / "run", gin.get_configurable("Experiment")().run(folder / "run")
    finally:
        gin.clear_config()


def test_the_reported_figures_are_the_saved_students(finished):
    run, results = finished
    test = data.shapes(32, 24, 8).load("test")
    predicted = metrics.predicted_classes(keras.saving.load_model(run / "student.keras"), test.unit_images)
    scores = metrics.scores(predicted, test.labels, 5)
    assert results["metric"] == "mean_iou"
    assert {name: results[f"student_{name}"] for name in scores} == pytest.approx(scores)
    assert list(results["student_iou_of"]) == ["ground", "disc", "square", "triangle", "ring"]
    ious = [iou for iou in results["student_iou_of"].values() if iou is not None]
    assert np.mean(ious) == pytest.approx(results["student_mean_iou"])
    assert results["student_mean_iou_best"] >= results["student_mean_iou"]
    assert results["synthetic_images"] == {"real_data": 0, "ssdkd": 16}[results["method"]]
    last = read_history(run / "logs" / "metrics.csv")[-1]
    assert [last["val_mean_iou"], last["val_accuracy"]] == pytest.approx([*scores.values()], abs=1e-5)


def test_the_report_shows_images_with_all_masks(finished):
    run, results = finished
    synthetic, page = sorted((run / "images").glob("epoch-*.png")), (run / "report.html").read_text()
    for path in (run / "images" / "test.png", *synthetic):
        with Image.open(path) as picture:
            assert picture.width > picture.height > 200
    made = results["method"] == "ssdkd"
    assert len(synthetic) == (2 if made else 0)
    assert "Real test images" in page and page.count("data:image/png;base64,") == 1 + made
    assert not made or f"Classes of {results['buffer_images'] * 32 * 32:,} pixels" in page
    assert f"Student {results['student_mean_iou']:.2%}" in page and "mean IoU on 8 real test images" in page


def test_the_export_gives_the_mask(finished):
    served = tf.saved_model.load(str(finished[0] / "export" / "student" / "1"))
    images = data.shapes(32, 24, 8).load("test").images
    outputs = served.signatures["serving_default"](images=tf.constant(images))
    student = keras.saving.load_model(finished[0] / "student.keras")
    expected = metrics.predicted_classes(student, images / np.float32(255))
    assert np.mean(outputs["mask"].numpy() == expected) > 0.999  # other kernels round otherwise
