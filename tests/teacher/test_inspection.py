"""What a model offers as a teacher is found out from the model alone, and nothing on it changes."""

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras import inspect_teacher, models
from dfkd_keras.backend.keras_internals import flatten_layers
from tests.conftest import equal, values


def softmax_model(*head, shape=(32, 32, 3)):
    """A small model of photographs in [0, 1], with BatchNorm."""
    body = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(), *head]
    return keras.Sequential([layers.Input(shape), *body])


def test_a_teacher_with_everything_lacks_nothing(normalization):
    inspection = inspect_teacher(models.cifar_resnet((32, 32, 1), depth=8, normalization=normalization))
    assert (inspection.outputs, inspection.num_classes, inspection.batch_norms) == ("logits", 10, 7)
    assert (inspection.input_range, inspection.input_guess.confidence) == ("0..1", "certain")
    assert inspection.features == {
        "penultimate": (64,), "stage_1": (32, 32, 16), "stage_2": (16, 16, 32), "stage_3": (8, 8, 64)
    }  # fmt: skip
    assert inspection.missing == {}


def test_a_teacher_without_batch_norm_lacks_its_statistics():
    inspection = inspect_teacher(models.lenet5())
    assert inspection.missing.keys() == {"batch_statistics"}
    assert "has no BatchNormalization layer" in inspection.missing["batch_statistics"]
    assert inspection.input_guess.confidence != "certain"


def test_a_teacher_without_a_last_dense_layer_lacks_what_that_gives():
    inspection = inspect_teacher(softmax_model(layers.Reshape((30 * 30 * 2, 4)), layers.GlobalAveragePooling1D()))
    assert inspection.missing.keys() == {"features", "class_similarity"}
    assert "has no dense layer" in inspection.missing["features"]
    assert "use RandomClasses" in inspection.missing["class_similarity"]
    assert "penultimate" not in inspection.features


def test_a_teacher_without_maps_has_no_stages():
    inspection = inspect_teacher(keras.Sequential([layers.Input((32, 32, 3)), layers.Flatten(), layers.Dense(4)]))
    assert "has no feature maps" in inspection.missing["stages"]
    assert list(inspection.features) == ["penultimate"]


def test_classes_of_equal_weights_have_no_similarity():
    model = softmax_model(layers.Flatten(), layers.Dense(4, kernel_initializer="ones"))
    assert "class similarity is undefined" in inspect_teacher(model).missing["class_similarity"]


def test_probabilities_are_recognized():
    assert inspect_teacher(softmax_model(layers.Flatten(), layers.Dense(4, "softmax"))).outputs == "probabilities"


def test_looking_changes_nothing():
    model = models.cifar_resnet((32, 32, 1), depth=8)
    layer_names = [layer.name for layer in model.layers if layer.variables]
    frozen, half_frozen = (model.get_layer(name) for name in layer_names[1:3])
    frozen.trainable = half_frozen.variables[0].trainable = False
    before, images = values(model.variables), np.ones((2, 32, 32, 1), "float32")
    outputs, trainable = np.array(model(images)), [variable.path for variable in model.trainable_variables]
    inspect_teacher(model)
    assert equal(values(model.variables), before)
    np.testing.assert_array_equal(model(images), outputs)
    assert [variable.path for variable in model.trainable_variables] == trainable
    assert model.trainable and not frozen.trainable
    assert not any("call" in vars(layer) for layer in flatten_layers(model)), "no hook is left"


def test_a_model_that_cannot_be_inspected_stays_trainable_too():
    inputs = keras.Input((32, 32, 3))
    broken = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(inputs)) / 0.0)
    with pytest.raises(ValueError, match="not finite"):
        inspect_teacher(broken)
    assert broken.trainable and len(broken.trainable_variables) == 2


METHODS = {"logits_only": set(), "inversion": {"batch_statistics"}, "both": {"batch_statistics", "features"}}


def test_methods_are_unfit_for_the_first_thing_that_they_miss():
    inspection = inspect_teacher(models.lenet5())
    reason = inspection.missing["batch_statistics"]
    assert inspection.unfit(METHODS) == {"inversion": reason, "both": reason}


def test_it_prints_a_line_for_each_thing():
    inspection = inspect_teacher(models.lenet5())
    lines = inspection.describe(METHODS).splitlines()
    titles = [line.split()[0] for line in lines]
    assert titles == ["model", "images", "outputs", "BatchNorm", "features", "methods", "not"]
    guess = inspection.input_guess
    assert (
        lines[1].split(maxsplit=1)[1] == f"(32, 32, 1), values {guess.input_range} ({guess.confidence}: {guess.reason})"
    )
    assert lines[5].split() == ["methods", "logits_only"]
    assert lines[6].startswith("not         inversion, both: teacher 'lenet5' has no BatchNormalization layer")
    assert str(inspection).splitlines() == lines[:5]


def test_a_segmenter_that_ends_in_a_dense_layer_has_no_class_similarity():
    inspection = inspect_teacher(softmax_model(layers.Conv2D(8, 3, padding="same"), layers.Dense(4), shape=(16, 16, 3)))
    assert "predicts a class for each pixel" in inspection.missing["class_similarity"]
