"""The plan of a run, without the run."""

import gin
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.plan import _duration
from dfkd_keras.schedules.schedule import UpdateCounts
from dfkd_keras.utils.errors import InvalidInputError


@pytest.fixture
def plan(tmp_path):
    def make(method, *params):
        configure([method, "smoke.gin"], [f'TeacherRecipe.cache_dir = "{tmp_path}/teachers"', *params])
        try:
            return gin.get_configurable("Experiment")().plan()
        finally:
            gin.clear_config()

    return make


def test_it_says_what_a_run_would_do_and_writes_nothing(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan("rdskd.gin")
    assert (planned.epochs, planned.steps_per_epoch, planned.updates) == (4, 3, UpdateCounts(6, 6))
    assert (planned.synthesized_images, planned.buffer_images, planned.teacher_is_trained) == (48, 0, False)
    text = str(planned)
    assert "SoftTargets.temperature = 10.0" in text
    assert "updates:  6 of the synthesizer, 6 of the student" in text
    assert "not trained yet" in text
    assert list(tmp_path.iterdir()) == []


def test_a_buffer_keeps_what_it_has_room_for(plan):
    planned = plan("ssdkd.gin", "TeacherRecipe.trained = False")
    assert (planned.synthesized_images, planned.buffer_images) == (4 * 8, 16)


def test_a_binding_without_effect_is_an_error_here_too(plan):
    with pytest.raises(InvalidInputError, match=r"Alternating\.epochs = 5 .*TwoStage"):
        plan("rdskd.gin", "Alternating.epochs = 5")


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "90 seconds"), (150, "2.5 minutes"), (7000, "117 minutes"), (200_000, "2.3 days")]
)
def test_durations_are_easy_to_read(seconds, text):
    assert _duration(seconds) == text
