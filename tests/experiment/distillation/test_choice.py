"""What a teacher gets where the user leaves it open."""

from types import SimpleNamespace

import pytest

from dfkd_keras.experiment.distillation.choice import METHODS, STUDENTS, suitable

PLAIN = SimpleNamespace(batch_norms=0, gives_gradients=True, is_segmenter=False, smallest_share=0.1)


def findings(**changes):
    return SimpleNamespace(**(vars(PLAIN) | changes))


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "baselines/procedural"),
        ({"batch_norms": 4}, "ssdkd"),
        ({"batch_norms": 4, "gives_gradients": False}, "baselines/procedural"),
        ({"batch_norms": 4, "is_segmenter": True}, "baselines/procedural"),
    ],
)
def test_a_slim_student_gets_images_of_the_teachers_statistics_where_it_has_some(changes, method):
    assert suitable(METHODS, findings(**changes), True)[0].choice == method


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "baselines/procedural_replay"),
        ({"batch_norms": 4}, "baselines/procedural_replay"),
        ({"gives_gradients": False}, "baselines/procedural_replay"),
        ({"is_segmenter": True}, "baselines/procedural"),
    ],
)
def test_a_student_from_scratch_gets_balanced_classes_unless_it_segments(changes, method):
    assert suitable(METHODS, findings(**changes), False)[0].choice == method


def test_the_student_is_a_slim_copy_where_the_teacher_can_be_cut():
    assert suitable(STUDENTS, findings())[0].choice == "slim:0.25"
    assert suitable(STUDENTS, findings(smallest_share=0.75))[0].choice == "slim:0.25"
    for hardly_smaller in (0.9, 1.0):
        assert suitable(STUDENTS, findings(smallest_share=hardly_smaller))[0].choice == "compact"
    assert suitable(STUDENTS, findings(smallest_share=0.9, is_segmenter=True))[0].choice == "slim:0.25"
    assert suitable(STUDENTS, findings(smallest_share=1.0, is_segmenter=True))[0].choice == "compact"


def test_methods_that_fit_the_time_better_follow_and_the_last_one_always_fits():
    choices = [rule.choice for rule in suitable(METHODS, findings(batch_norms=4), True)]
    assert choices[:3] == ["ssdkd", "baselines/inverted_procedural", "baselines/procedural"]
    for has_weights in (True, False):
        assert suitable(METHODS, findings(), has_weights)[-1].choice == "baselines/procedural"
