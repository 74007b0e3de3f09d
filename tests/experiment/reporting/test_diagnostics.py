"""What a run tells of the images its student learned from."""

import json

import gin
import numpy as np
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.reporting.diagnostics import diagnose, effective_sample_size
from dfkd_keras.experiment.training.history import read_history


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished smoke run of SSD-KD, and its distiller."""
    folder, built = tmp_path_factory.mktemp("ssdkd"), []
    configure(["ssdkd.gin", "smoke.gin"], [f'TeacherRecipe.cache_dir = "{folder / "teachers"}"'])
    experiment = gin.get_configurable("Experiment")()
    build = type(experiment).build
    object.__setattr__(experiment, "build", lambda: built.append(build(experiment)) or built[0])
    experiment.run(folder / "run")
    yield folder / "run", built[0]
    gin.clear_config()


def test_the_memorys_classes_are_counted_and_the_teachers_confidence_is_sampled(finished):
    _, distiller = finished
    diagnostics = diagnose(distiller, images=10)
    assert sum(diagnostics.class_counts) == distiller.replay.stored == 16
    assert diagnostics.confidences.shape == (10,)
    assert (diagnostics.confidences >= 0.1).all() and (diagnostics.confidences <= 1).all()
    assert 1 <= diagnostics.effective_sample_size <= 16


def test_equal_priorities_have_the_memorys_size(finished):
    replay = finished[1].replay
    kept = np.array(replay.priorities.value)
    replay.priorities.assign(np.ones(16, "float32"))
    np.testing.assert_allclose(effective_sample_size(replay), 16, rtol=1e-5)
    replay.priorities.assign(np.eye(16, dtype="float32")[0] * 1e6)
    np.testing.assert_allclose(effective_sample_size(replay), 1, rtol=1e-3)
    replay.priorities.assign(kept)


def test_the_report_shows_them(finished):
    page = (finished[0] / "report.html").read_text()
    assert "Classes of 16 images" in page
    assert "Teacher&#x27;s confidence" in page or "Teacher's confidence" in page
    assert "priorities_effective_sample_size" in page
    assert page.count("<svg") == 5


def test_results_tell_the_memory_and_both_sides_times(finished):
    results = json.loads((finished[0] / "results.json").read_text())
    assert (results["synthetic_images"], results["memory_images"]) == (4 * 8, 16)
    assert results["student_updates"] == 4 + 4
    assert results["synthesis_updates"] == 2 * (2 + 2)
    rows = read_history(finished[0] / "logs" / "metrics.csv")
    assert results["seconds_synthesis"] == pytest.approx(sum(row["seconds_synthesis"] for row in rows))
    assert results["seconds_student"] == pytest.approx(sum(row["seconds_student"] for row in rows))
    for row in rows:
        assert row["seconds"] == pytest.approx(row["seconds_synthesis"] + row["seconds_student"])
        assert row["priority"] > 0
