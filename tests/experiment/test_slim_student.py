"""The slim student of a configuration."""

import gin
import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras.experiment import slim_student as module


@pytest.fixture
def cut(monkeypatch):
    """Returns a function that builds the slim student of a teacher, and the list of cuts that were made."""
    monkeypatch.setattr(module, "_latest", {})
    made, slim = [], module.slim
    monkeypatch.setattr(module, "slim", lambda *args, **kwargs: made.append(kwargs) or slim(*args, **kwargs))

    def build(seed_of_weights=0, **kwargs):
        keras.utils.set_random_seed(seed_of_weights)
        images = keras.Input((8, 8, 1))
        x = layers.BatchNormalization()(layers.Conv2D(12, 3, activation="relu")(images))
        teacher = dk.Teacher(keras.Model(images, layers.Dense(3)(layers.Flatten()(x))))
        monkeypatch.setattr(gin, "get_configurable", lambda name: lambda: teacher)
        return module.slim_student(**kwargs)

    return build, made


def test_a_plan_and_its_run_cut_the_teacher_once_and_get_students_of_their_own(cut):
    build, made = cut
    first, second = build(), build()
    assert len(made) == 1
    images = np.random.default_rng(0).random((4, 8, 8, 1), "float32")
    np.testing.assert_array_equal(first(images), second(images))
    before = np.array(second(images))
    for weight in first.trainable_variables:
        weight.assign(0.0 * weight)
    np.testing.assert_array_equal(second(images), before)
    np.testing.assert_array_equal(build()(images), before)


def test_whether_a_teacher_is_cut_anew_makes_no_difference_to_what_is_built_after_it(cut):
    build, made = cut
    drawn = []
    for _ in range(2):
        build()
        drawn.append(keras.layers.Dense(4).kernel_initializer.seed)
    assert len(made) == 1 and drawn[0] == drawn[1]


@pytest.mark.parametrize("changed", [{"parameters": 0.5}, {"seed": 1}, {"seed_of_weights": 1}])
def test_another_teacher_share_or_seed_is_cut_anew(cut, changed):
    build, made = cut
    build()
    build(**changed)
    assert len(made) == 2
