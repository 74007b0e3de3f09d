import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras.teacher.model_checks import detected_outputs, random_outputs
from dfkd_keras.teacher.outputs import detect_outputs, to_logits, with_outputs
from dfkd_keras.utils.errors import InvalidInputError

SHAPE = (6, 6, 1)


def network(units, *last):
    return keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(units), *last])


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def centered(logits):
    return logits - logits.mean(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "of_logits"),
    [
        ("logits", lambda z: z),
        ("probabilities", softmax),
        ("log_probabilities", lambda z: np.log(softmax(z))),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
    ],
)
def test_logits_are_found_again_up_to_a_constant(rng, kind, of_logits):
    logits = rng.normal(scale=3, size=(5, 4)).astype("float32")
    found = ops.convert_to_numpy(to_logits(of_logits(logits).astype("float32"), kind))
    expected = logits if kind == "sigmoid" else centered(logits)
    np.testing.assert_allclose(found if kind == "sigmoid" else centered(found), expected, rtol=1e-3, atol=1e-3)


def test_one_sigmoid_is_the_second_of_two_classes():
    logits = ops.convert_to_numpy(to_logits(np.float32([[0.5], [0.9], [0.0], [1.0]]), "sigmoid"))
    assert logits.shape == (4, 2) and np.isfinite(logits).all()
    np.testing.assert_allclose(softmax(logits)[:, 1], [0.5, 0.9, 0.0, 1.0], atol=1e-6)


LAST = {
    "softmax layer": ([layers.Softmax()], 3, "probabilities"),
    "softmax activation": ([layers.Activation("softmax")], 3, "probabilities"),
    "log-softmax": ([layers.Activation("log_softmax")], 3, "log_probabilities"),
    "sigmoid": ([layers.Activation("sigmoid")], 1, "sigmoid"),
    "hard sigmoid": ([layers.Activation("hard_sigmoid")], 1, "sigmoid"),
    "hard sigmoids": ([layers.Activation("hard_sigmoid")], 3, "sigmoid"),
    "sigmoids": ([layers.Activation("sigmoid")], 3, "sigmoid"),
    "logits": ([], 3, "logits"),
    "one logit": ([layers.Rescaling(9.0)], 1, "logits"),
}


@pytest.mark.parametrize(("last", "units", "kind"), LAST.values(), ids=LAST)
def test_outputs_are_detected(last, units, kind):
    keras.utils.set_random_seed(0)
    model = network(units, *last)
    assert detect_outputs(model, random_outputs(model, SHAPE)) == kind


def test_a_softmax_in_a_nested_model_is_detected():
    images = keras.Input(SHAPE)
    model = keras.Model(images, network(3, layers.Softmax())(images))
    assert detect_outputs(model, random_outputs(model, SHAPE)) == "probabilities"


@pytest.mark.parametrize(("last", "units", "kind"), LAST.values(), ids=LAST)
def test_a_student_stands_in_the_place_of_its_teacher(tmp_path, last, units, kind):
    keras.utils.set_random_seed(0)
    teacher = dk.Teacher(network(units, *last), outputs=kind)
    student = network(max(2, units))
    student.save(tmp_path / "logits.keras")
    teacher.in_place(student).save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    images = np.random.default_rng(1).uniform(size=(7, *SHAPE)).astype("float32")
    outputs = ops.convert_to_numpy(loaded(images))
    assert outputs.shape == (7, units)
    logits = ops.convert_to_numpy(student(images))
    found = ops.convert_to_numpy(to_logits(outputs, kind))
    np.testing.assert_allclose(softmax(found), softmax(logits), atol=1e-5)
    np.testing.assert_array_equal(teacher.predict_classes(images, loaded), logits.argmax(axis=-1))
    np.testing.assert_array_equal(teacher.predict_classes(images, student), logits.argmax(axis=-1))
    assert teacher.outputs_of(loaded) == kind and teacher.outputs_of(student) == "logits"


def test_a_student_of_logits_is_returned_as_it_is():
    student = network(3)
    assert with_outputs(student, "logits", 3, SHAPE) is student


@pytest.mark.parametrize("shape", [(6, 6), (36,)])
def test_a_teacher_may_take_images_without_a_channel_axis_or_as_vectors(shape):
    model = keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(3)])
    teacher = dk.Teacher(model)
    images = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype("float32")
    assert teacher.image_shape == SHAPE and teacher.input_shape == shape
    np.testing.assert_allclose(teacher(images).logits, model(images.reshape(2, *shape)), atol=1e-6)


def test_a_student_of_images_of_any_size_stays_one():
    def network(last):
        return keras.Sequential(
            [layers.Input((None, None, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3, last)]
        )

    teacher = dk.Teacher(network("softmax"), outputs="probabilities", image_shape=(32, 32, 3))
    student = teacher.in_place(network(None))
    assert student.input_shape == (None, None, None, 3)
    assert student(np.ones((1, 17, 23, 3), "float32")).shape == (1, 3)


@pytest.mark.parametrize(
    "behind", [layers.Activation("linear", dtype="float32"), layers.Reshape((1,))], ids=["a cast", "a reshape"]
)
def test_what_comes_behind_a_sigmoid_does_not_hide_it(behind):
    model = network(1, layers.Activation("sigmoid"), behind)
    assert detected_outputs(model, SHAPE) == "sigmoid"
    with pytest.raises(InvalidInputError, match="ends in a sigmoid, but logits are expected"):
        dk.Teacher(model)


def test_a_layer_that_refuses_images_of_other_ranges_is_tried_in_its_own():
    class Strict(layers.Layer):
        def call(self, images):
            if hasattr(images, "numpy") and images.numpy().max() > 1.0:
                raise ValueError("images go from 0 to 1")
            return images

    model = keras.Sequential([layers.Input(SHAPE), Strict(), layers.Flatten(), layers.Dense(3)])
    assert detected_outputs(model, SHAPE) == "logits"
    with pytest.raises(ValueError, match="images go from 0 to 1"):
        detected_outputs(model, SHAPE, "0..255")


def test_shares_of_a_function_of_images_from_0_to_1_are_probabilities():
    images = keras.Input(SHAPE)
    brightness = ops.mean(images, axis=(1, 2))
    model = keras.Model(images, ops.relu(ops.concatenate([1.0 - brightness, brightness], axis=-1)))
    assert detected_outputs(model, SHAPE) == "probabilities"


@pytest.mark.parametrize("signs", [[-1.0], [-1.0, 1.0, -1.0]], ids=["one", "one of three"])
def test_sigmoids_that_saturate_on_images_of_another_range_stay_sigmoids(signs):
    images = keras.Input(SHAPE)
    brightness = ops.mean(images, axis=(1, 2))
    parts = [0.5 + 0.5 * ops.tanh(sign * brightness) for sign in signs]
    model = keras.Model(images, ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0])
    assert detected_outputs(model, SHAPE) == "sigmoid"
