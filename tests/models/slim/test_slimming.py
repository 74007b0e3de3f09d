import json
import logging
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.slim import slim, smallest_share
from dfkd_keras.teacher.cost import multiplications
from dfkd_keras.utils.errors import InvalidInputError
from tests.models.slim.networks import (
    EXACT,
    SHAPE,
    duplicate_channels,
    layer_norms,
    network,
    padded_shortcuts,
    perceptron,
    plain,
    random_images,
    residual,
    separable,
    shared_shapes,
    silence_every_second_channel,
)

ALL = [*EXACT, padded_shortcuts, layer_norms, shared_shapes]


def outputs(model, images):
    return keras.ops.convert_to_numpy(model(images))


def shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


@pytest.mark.parametrize("body", ALL, ids=lambda body: body.__name__)
def test_all_of_the_width_gives_the_teachers_outputs(body):
    teacher, images = network(body), random_images()
    student = slim(teacher, images, width=1.0)
    np.testing.assert_allclose(outputs(student, images), outputs(teacher, images), atol=1e-6)
    assert student.input_shape == teacher.input_shape and student.name == f"{body.__name__}_slim"


def augmented(augmentation):
    """A network like those of TensorFlow's tutorials, with or without the layers that augment its images."""
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(16, activation="relu")]
    return keras.Sequential([layers.Input(SHAPE), *augmentation, *body, layers.Dense(4)])


def test_layers_that_do_something_in_training_alone_play_no_part():
    augmentation = [layers.RandomFlip(), layers.RandomRotation(0.3), keras.Sequential([layers.RandomZoom(0.3)])]
    augmentation += [layers.Dropout(0.5), layers.SpatialDropout2D(0.2), layers.GaussianNoise(0.1)]
    teacher, plain_one, images = augmented(augmentation), augmented([]), random_images()
    student, expected = (slim(model, images, parameters=0.5) for model in (teacher, plain_one))
    np.testing.assert_allclose(outputs(student, images), outputs(expected, images), atol=1e-5)
    np.testing.assert_array_equal(student(images, training=True), student(images, training=False))
    whole = slim(teacher, images, parameters=1.0)
    np.testing.assert_allclose(outputs(whole, images), teacher(images, training=False), atol=1e-5)


def test_a_norm_of_another_axis_than_the_channels_is_left_alone():
    keras.utils.set_random_seed(0)
    body = [
        layers.Conv2D(12, 3, padding="same"),
        layers.ReLU(),
        layers.Conv2D(SHAPE[0], 3, padding="same", use_bias=False),
    ]
    norm = layers.BatchNormalization(axis=1)
    teacher = keras.Sequential([layers.Input(SHAPE), *body, norm, layers.Flatten(), layers.Dense(3)])
    rng = np.random.default_rng(0)
    norm.set_weights([1 + 0.1 * rng.random(weight.shape) for weight in norm.get_weights()])
    student = slim(teacher, random_images(), parameters=0.9)
    found = next(layer for layer in student.layers if isinstance(layer, layers.BatchNormalization))
    np.testing.assert_array_equal(found.moving_mean, norm.moving_mean)


def test_an_activation_may_be_a_layer():
    def network_with(activation):
        keras.utils.set_random_seed(0)
        body = [layers.Conv2D(16, 3, activation=activation), layers.Flatten(), layers.Dense(3)]
        return keras.Sequential([layers.Input(SHAPE), *body])

    as_layer, as_name = (network_with(activation) for activation in (layers.LeakyReLU(), "leaky_relu"))
    assert smallest_share(as_layer, random_images()) == smallest_share(as_name, random_images()) < 0.5


def test_a_number_for_the_whole_batch_in_a_product_cuts_nothing():
    images = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3)(images)
    teacher = keras.Model(images, layers.Dense(3)(layers.Flatten()(keras.ops.max(x) * x)))
    assert 0.0 < smallest_share(teacher, random_images()) <= 1.0


def test_the_copy_is_of_what_the_network_computes_in_inference_whatever_its_calls_say():
    images = keras.Input(SHAPE)
    x = layers.Dropout(0.5)(layers.Conv2D(8, 3)(images), training=True)
    teacher = keras.Model(images, layers.Dense(3)(layers.Flatten()(x)))
    student = slim(teacher, random_images(), parameters=1.0)
    np.testing.assert_allclose(
        student(random_images(), training=False), teacher(random_images(), training=False), atol=1e-5
    )


def test_a_model_without_weights_has_nothing_to_cut():
    images = keras.Input(SHAPE)
    teacher = keras.Model(images, keras.ops.mean(images, axis=(1, 2)))
    assert smallest_share(teacher, random_images()) == 1.0


def test_the_smallest_share_is_that_of_two_channels_of_each_group():
    teacher, images = network(plain), random_images()
    least = smallest_share(teacher, images)
    assert slim(teacher, images, parameters=least + 0.01).count_params() <= (least + 0.01) * teacher.count_params()
    with pytest.raises(InvalidInputError, match="cannot be reached"):
        slim(teacher, images, parameters=least - 0.01)


def test_a_layer_that_cannot_be_copied_leaves_nothing_to_cut():
    class Secretive(layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return self.factor * inputs

    teacher = keras.Sequential(
        [layers.Input(SHAPE), layers.Conv2D(8, 3), layers.Flatten(), layers.Dense(4), Secretive(2.0)]
    )
    assert smallest_share(teacher, random_images()) == 1.0


@pytest.mark.parametrize("body", EXACT, ids=lambda body: body.__name__)
def test_silent_channels_are_cut_without_any_change_of_the_outputs(body):
    teacher, images = network(body), random_images()
    silence_every_second_channel(teacher)
    student = slim(teacher, images, width=0.5, refit=False)
    np.testing.assert_allclose(outputs(student, images), outputs(teacher, images), atol=1e-5)
    assert shapes(student) == shapes(network(body, c=4))


def test_channels_that_a_shortcut_pads_are_cut_with_those_that_they_are_added_to():
    teacher, images = network(padded_shortcuts), random_images()
    silence_every_second_channel(teacher)
    student = slim(teacher, images, width=0.5, refit=False)
    np.testing.assert_allclose(outputs(student, images), outputs(teacher, images), atol=1e-5)
    assert student.get_layer("head").kernel.shape == (12, 4)


def test_norms_over_all_channels_are_cut_to_the_same_channels():
    student = slim(network(layer_norms), random_images(), width=0.5)
    assert shapes(student) == shapes(network(layer_norms, c=4))


@pytest.mark.parametrize("body", [plain, perceptron, residual, separable], ids=lambda body: body.__name__)
def test_the_refit_makes_good_what_duplicated_channels_contributed(body):
    teacher, images = network(body, head=None), random_images(200)
    duplicate_channels(teacher)
    expected, without, refitted = (
        outputs(model, images)
        for model in (
            teacher,
            slim(teacher, images, width=0.5, refit=False),
            slim(teacher, images, width=0.5),
        )
    )
    np.testing.assert_allclose(refitted, expected, atol=1e-3 * np.abs(expected).max())
    assert np.abs(without - expected).max() > 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("body", ALL, ids=lambda body: body.__name__)
@pytest.mark.parametrize("share", [0.5, 0.3])
def test_the_share_of_the_parameters_is_an_upper_limit(body, share):
    teacher = network(body, c=16)
    student = slim(teacher, random_images(4), parameters=share, refit=False)
    assert 0.6 * share < student.count_params() / teacher.count_params() <= share


@pytest.mark.parametrize("body", ALL, ids=lambda body: body.__name__)
def test_the_share_of_the_multiplications_is_an_upper_limit(body):
    teacher = network(body, c=16)
    student = slim(teacher, random_images(4), multiplications=0.4, refit=False)
    share = multiplications(student, SHAPE) / multiplications(teacher, SHAPE)
    assert 0.24 < share <= 0.4


def test_images_without_a_channel_axis_are_taken():
    teacher = network(plain_of_gray_images, shape=(8, 8))
    student = slim(teacher, random_images(shape=(8, 8)), width=0.5)
    assert student.output_shape == (None, 4) and student.input_shape == (None, 8, 8)
    assert student.name == "plain_of_gray_images_slim"


def plain_of_gray_images(x, c):
    return plain(layers.Reshape((8, 8, 1))(x), c)


def test_the_teacher_is_left_as_it_is_and_the_student_is_trainable():
    teacher, images = network(residual), random_images()
    teacher.trainable = False
    before = [np.array(weight) for weight in teacher.weights]
    student = slim(teacher, images, width=0.5)
    assert all(np.array_equal(old, new) for old, new in zip(before, teacher.weights, strict=True))
    assert not teacher.trainable_weights and len(student.trainable_weights) == len(network(residual).trainable_weights)
    assert all(layer.output is not None for layer in teacher.layers)  # which fails if a layer was called again
    student.compile("sgd", "categorical_crossentropy")
    student.fit(images, outputs(teacher, images), verbose=0)


def test_the_student_is_free_of_the_regularizers_of_the_teachers_training():
    regularized = layers.Dense(8, "relu", kernel_regularizer="l2", activity_regularizer="l1")
    teacher = keras.Sequential(
        [layers.Input(SHAPE), layers.Flatten(), regularized, layers.Dense(3, bias_regularizer="l2")]
    )
    assert teacher.losses and not slim(teacher, random_images(), width=0.5).losses


class Doubling(layers.Layer):
    """Stands for a layer of the user, which may do anything."""

    def call(self, x):
        return 2 * x


@pytest.mark.parametrize("layer", ["doubling", "lstm", "attention"])
def test_layers_that_cannot_be_followed_are_kept_whole_and_named(caplog, layer):
    def body(x, c):
        x = layers.Reshape((8, 24))(x)
        x = layers.Dense(c, "relu")(layers.Dense(2 * c, "relu")(x))
        if layer == "attention":
            x = layers.Add()([x, layers.MultiHeadAttention(2, 4, name=layer)(x, x)])
        else:
            x = Doubling(name=layer)(x) if layer == "doubling" else layers.LSTM(6, name=layer)(x)
        return layers.Flatten()(x)

    teacher, images = network(body), random_images()
    with caplog.at_level(logging.INFO):
        student = slim(teacher, images, width=0.5)
    assert caplog.messages == [f"layers that slimming cannot follow are kept whole: {layer}"]
    widths = [layer.units for layer in student.layers if isinstance(layer, layers.Dense)]
    assert widths == [8, 8, 4]
    assert shapes(student.get_layer(layer)) == shapes(teacher.get_layer(layer))


def test_units_that_never_change_are_cut_first():
    teacher, images = network(perceptron, head=None), random_images(200)
    first, second = (layer for layer in teacher.layers if isinstance(layer, layers.Dense) and layer.name != "head")
    for layer, dead in ((first, slice(0, 8)), (second, slice(4, 8))):
        values, bias = np.array(layer.kernel), np.array(layer.bias)
        values[:, dead], bias[dead] = 0.0, 1.0
        layer.kernel.assign(values)
        layer.bias.assign(bias)
    student = slim(teacher, images, width=0.5)
    np.testing.assert_allclose(outputs(student, images), outputs(teacher, images), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.array(student.layers[2].kernel), np.array(first.kernel)[:, 8:], atol=1e-6)


def test_a_model_without_hidden_channels_is_refused():
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(4)], name="linear")
    with pytest.raises(InvalidInputError, match="model 'linear' has no channels that can be cut: train a student"):
        slim(model, random_images(), width=0.5)


def test_a_share_below_what_cannot_be_cut_is_refused():
    with pytest.raises(
        InvalidInputError, match=r"slim\(parameters=0.01\) cannot be reached: 0\.\d+ is the least; give"
    ):
        slim(network(plain), random_images(), parameters=0.01)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give exactly one"),
        ({"width": 0.5, "parameters": 0.5}, "give exactly one"),
        ({"multiplications": 2}, r"slim\(multiplications=2\) must be"),
        ({"width": 0.0}, r"slim\(width=0.0\) must be a number above 0"),
        ({"parameters": 1.5}, r"slim\(parameters=1.5\)"),
        ({"parameters": "half"}, r"slim\(parameters='half'\)"),
    ],
)
def test_wrong_shares_are_refused(given, message):
    with pytest.raises(InvalidInputError, match=message):
        slim(network(perceptron), random_images(), **given)


def test_images_and_models_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match=r"which takes \(None, 8, 8, 3\)"):
        slim(network(perceptron), random_images(shape=(8, 8, 1)), width=0.5)

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(InvalidInputError, match="is a subclassed model"):
        slim(Subclassed(), random_images(), width=0.5)


OTHER_PROCESS = """
import json, sys
import keras, numpy as np
folder = sys.argv[1]
images = np.load(folder + "/images.npy")
loaded = keras.saving.load_model(folder + "/student.keras")
is_alone = not any(name.startswith("dfkd_keras") for name in sys.modules)
from dfkd_keras.models.slim import slim, smallest_share
again = slim(loaded, images, width=0.75)
results = [np.asarray(model(images)).tolist() for model in (loaded, again)]
print(json.dumps([keras.backend.backend(), is_alone, *results, again.count_params() < loaded.count_params()]))
"""


@pytest.mark.slow
def test_the_student_loads_without_the_package_and_is_slimmed_again_on_jax(tmp_path):
    images = random_images(64)
    student = slim(network(residual), images, width=0.5)
    student.save(tmp_path / "student.keras")
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    backend, is_alone, loaded, again, is_smaller = json.loads(done.stdout.splitlines()[-1])
    assert backend == "jax" and is_alone and is_smaller
    np.testing.assert_allclose(loaded, outputs(student, images), atol=1e-5)
    np.testing.assert_allclose(again, loaded, atol=0.3)


def test_an_adapted_normalization_stays_adapted():
    images = np.random.default_rng(0).normal(5.0, 3.0, (64, 8, 8, 2)).astype("float32")
    keras.utils.set_random_seed(0)
    norm = keras.layers.Normalization()
    norm.adapt(images)
    body = [norm, keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *body])
    np.testing.assert_allclose(slim(model, images, width=1.0)(images), model(images), atol=1e-3)
