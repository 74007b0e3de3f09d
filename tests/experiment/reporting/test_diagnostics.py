"""Statistics of the images that a student learned from."""

import json

import gin
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.reporting.diagnostics import diagnose
from dfkd_keras.experiment.run_directory import RunDirectory, read_history


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished smoke run of SSD-KD, and its distiller."""
    folder = tmp_path_factory.mktemp("ssdkd")
    configure(["ssdkd.gin", "smoke.gin"], [f'TeacherRecipe.cache_dir = "{folder / "teachers"}"'])
    experiment = gin.get_configurable("Experiment")()
    experiment.run(folder / "run")
    distiller = experiment.build()
    distiller.load_weights(RunDirectory(folder / "run").checkpoints.newest().weights)
    yield folder / "run", distiller
    gin.clear_config()


def test_the_buffers_classes_are_counted_and_the_teachers_confidence_is_sampled(finished):
    _, distiller = finished
    diagnostics = diagnose(distiller, images=10)
    assert sum(diagnostics.class_counts) == distiller.replay.stored == 16
    assert diagnostics.confidences.shape == (10,)
    assert (diagnostics.confidences >= 0.1).all() and (diagnostics.confidences <= 1).all()
    assert 1 <= diagnostics.effective_sample_size <= 16


def test_the_effective_sample_size_of_equal_priorities_is_the_buffers_size(finished):
    replay = finished[1].replay
    kept = np.array(replay.priorities.value)
    replay.priorities.assign(np.ones(16, "float32"))
    np.testing.assert_allclose(replay.effective_sample_size(), 16, rtol=1e-5)
    replay.priorities.assign(np.eye(16, dtype="float32")[0] * 1e6)
    np.testing.assert_allclose(replay.effective_sample_size(), 1, rtol=1e-3)
    replay.priorities.assign(kept)


def test_the_report_shows_them(finished):
    page = (finished[0] / "report.html").read_text()
    assert "Classes of 16 images" in page
    assert "Teacher&#x27;s confidence" in page or "Teacher's confidence" in page
    assert "priorities_effective_sample_size" in page
    assert page.count("<svg") == 7


def test_results_have_the_buffers_images_and_the_time_of_both_sides(finished):
    results = json.loads((finished[0] / "results.json").read_text())
    assert (results["synthetic_images"], results["buffer_images"]) == (4 * 8, 16)
    assert results["student_updates"] == 4 + 4
    assert results["synthesis_updates"] == 2 * (2 + 2)
    rows = read_history(finished[0] / "logs" / "metrics.csv")
    assert results["seconds_synthesis"] == pytest.approx(sum(row["seconds_synthesis"] for row in rows))
    assert results["seconds_student"] == pytest.approx(sum(row["seconds_student"] for row in rows))
    for row in rows:
        assert row["seconds"] == pytest.approx(row["seconds_synthesis"] + row["seconds_student"])


@gin.register(module="tests")
class MostDifferent(dk.replay.Sampling):
    """Draws the images on which the student was worst."""

    has_priorities = True

    def sample(self, priorities, size, sample_count, selection):
        return ops.cast(ops.argsort(-priorities)[: ops.shape(selection)[0]], "int32"), None

    def priorities(self, teacher_logits, student_logits, weights):
        return ops.mean(ops.abs(teacher_logits - student_logits), axis=-1)


def test_a_run_with_a_sampling_of_the_users_own_comes_to_its_end(tmp_path):
    params = ["ReplayBuffer.sampling = @MostDifferent()", f'TeacherRecipe.cache_dir = "{tmp_path}"']
    configure(["ssdkd.gin", "smoke.gin"], params)
    try:
        gin.get_configurable("Experiment")().run(tmp_path / "run")
    finally:
        gin.clear_config()
    assert "effective_sample_size" not in (tmp_path / "run" / "report.html").read_text()
