"""What a teacher gets where the user leaves it open."""

from types import SimpleNamespace

import pytest

from dfkd_keras.experiment.distillation.choice import METHODS, STUDENTS, Facts, choose

PLAIN = SimpleNamespace(batch_norms=0, gives_gradients=True, is_segmenter=False, can_be_slimmed=True)


def findings(**changes):
    return SimpleNamespace(**(vars(PLAIN) | changes))


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "baselines/procedural"),
        ({"batch_norms": 4}, "baselines/inverted_procedural"),
        ({"batch_norms": 4, "gives_gradients": False}, "baselines/procedural"),
        ({"batch_norms": 4, "is_segmenter": True}, "baselines/procedural"),
    ],
)
def test_a_slim_student_gets_inverted_images_where_the_teacher_has_statistics_to_invert(changes, method):
    assert choose(METHODS, findings(**changes), Facts(has_weights=True)).choice == method


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
    assert choose(METHODS, findings(**changes), Facts(has_weights=False)).choice == method


def test_the_student_is_a_slim_copy_where_the_teacher_can_be_cut():
    assert choose(STUDENTS, findings()).choice == "slim:0.25"
    assert choose(STUDENTS, findings(can_be_slimmed=False)).choice == "compact"


def test_a_teacher_too_slow_to_be_inverted_in_the_given_time_is_not():
    facts = Facts(has_weights=True, too_slow=True)
    found = choose(METHODS, findings(batch_norms=4), facts)
    assert found.choice == "baselines/procedural" and "more minutes" in found.reason
    assert choose(METHODS, findings(), facts).reason == "procedural images, which fit any teacher"
