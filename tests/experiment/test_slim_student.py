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


def ending_in(end, units):
    """A teacher that ends in an operation of `keras.ops`, or in a cast behind one, and its dense layer before that."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1))
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(images))
    logits = layers.Dense(units, kernel_initializer="he_normal")(hidden)
    return keras.Model(images, end(logits)), keras.Model(images, logits)


@pytest.mark.parametrize(
    ("end", "units", "kind"),
    [
        (keras.ops.sigmoid, 1, "sigmoid"),
        (keras.ops.sigmoid, 3, "sigmoid"),
        (keras.ops.softmax, 3, "probabilities"),
        (layers.Softmax(), 3, "probabilities"),
        (lambda x: layers.Activation("linear", dtype="float32")(keras.ops.softmax(x)), 3, "probabilities"),
    ],
    ids=["one sigmoid", "sigmoids", "softmax", "a layer", "a cast behind it"],
)
def test_whatever_a_teacher_ends_in_the_copy_returns_its_logits(end, units, kind):
    model, before = ending_in(end, units)
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype("float32")
    logits = np.array(before(images))
    logits = np.concatenate([np.zeros_like(logits), logits], axis=-1) if units == 1 else logits
    found = np.array(module.returning_logits(model, dk.Teacher(model, outputs=kind))(images))
    offset = 0.0 if kind == "sigmoid" else (found - logits).mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(found - offset, logits, atol=1e-3)


def test_the_copy_of_a_teacher_in_half_precision_is_trained_in_float32(monkeypatch):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        normalization = layers.Normalization()
        normalization.adapt(np.random.default_rng(0).normal(3.0, 2.0, (64, 8, 8, 1)))
        images = keras.Input((8, 8, 1))
        x = layers.Conv2D(12, 3, activation="relu")(normalization(images))
        model = keras.Model(images, layers.Dense(3)(layers.Flatten()(x)))
    finally:
        keras.config.set_dtype_policy("float32")
    teacher = dk.Teacher(model)
    monkeypatch.setattr(gin, "get_configurable", lambda name: lambda: teacher)
    student = module.slim_student(parameters=1.0)
    assert {layer.dtype_policy.name for layer in student.layers} == {"float32"}
    images = np.random.default_rng(1).random((8, 8, 8, 1), "float32")
    np.testing.assert_allclose(student(images), np.array(model(images), "float32"), atol=0.02)


def test_the_last_layer_keeps_its_weights_whatever_kind_it_is():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    last = layers.SeparableConv2D(4, 1, activation="softmax")
    model = keras.Model(images, last(layers.Conv2D(6, 3)(images)))
    student = module.returning_logits(model, dk.Teacher(model, outputs="probabilities"))
    assert student.output_shape == (None, 6, 6, 4) and len(student.weights) == len(model.weights)
