"""What a teacher is fit for is what the methods' files ask of it."""

import gin
import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras import inspect_teacher, models
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.configuration import available, configuration_folders
from dfkd_keras.teacher.inspection import REQUIREMENTS
from tests.conftest import equal, values

METHODS = [
    name.removesuffix(".gin")
    for name in available(configuration_folders())
    if "/" not in name and name not in ("smoke.gin", "alternating.gin")
]


def softmax_model(*head, shape=(32, 32, 3)):
    """A small model of photographs in [0, 1], with BatchNorm."""
    body = [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU(), *head]
    return keras.Sequential([layers.Input(shape), *body])


def requirement(method):
    """What a method's file asks of a teacher, found out from its parts."""
    configure([f"{method}.gin"])
    described = gin.get_configurable("Experiment")()
    distiller = described.distiller(teacher=models.cifar_resnet((32, 32, 1), depth=8), student=models.lenet5_half())
    needs = distiller.synthesizer.objective.needs
    if needs & {"batch_statistics", "sample_means"}:
        return "batch_norm"
    if "features" in needs:
        return "penultimate"
    if getattr(distiller.distillation_loss, "matches_features", False):
        return "stages"
    return "class_similarity" if "soft_labels" in needs else None


def test_every_method_is_known():
    assert set(METHODS) == set(REQUIREMENTS)


@pytest.mark.parametrize("method", METHODS)
def test_requirements_are_those_of_the_files(method):
    try:
        if REQUIREMENTS[method] == "stages":
            configure([f"{method}.gin"])
            assert gin.get_configurable("AttentionTransfer")().matches_features
        else:
            assert requirement(method) == REQUIREMENTS[method]
    finally:
        gin.clear_config()


def test_a_teacher_with_everything_is_fit_for_all_methods(normalization):
    inspection = inspect_teacher(models.cifar_resnet((32, 32, 1), depth=8, normalization=normalization))
    assert (inspection.outputs, inspection.num_classes, inspection.batch_norms) == ("logits", 10, 7)
    assert inspection.input_range == "in [0, 1]"
    assert inspection.features == {
        "penultimate": (64,), "stage_1": (32, 32, 16), "stage_2": (16, 16, 32), "stage_3": (8, 8, 64)
    }  # fmt: skip
    assert inspection.unfit == {}
    assert set(inspection.methods) == set(METHODS)


def test_a_teacher_without_batch_norm_is_unfit_for_what_inverts_its_statistics():
    inspection = inspect_teacher(models.lenet5())
    assert inspection.methods == ["rdskd", "dafl", "mskd", "dfad", "zskt", "zskd"]
    assert "has no BatchNormalization layer" in inspection.unfit["ssdkd"]
    assert inspection.input_range is None


def test_a_teacher_without_a_last_dense_layer():
    inspection = inspect_teacher(softmax_model(layers.Conv2D(4, 1), layers.GlobalAveragePooling2D()))
    assert "has no Dense layer" in inspection.unfit["dafl"]
    assert "use RandomClasses" in inspection.unfit["zskd"]
    assert "penultimate" not in inspection.features
    assert "ssdkd" in inspection.methods


def test_probabilities_are_recognized():
    assert inspect_teacher(softmax_model(layers.Flatten(), layers.Dense(4, "softmax"))).outputs == "probabilities"


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (layers.Rescaling(1 / 255), "in [0, 255]"),
        (layers.Rescaling(1 / 127.5, -1.0), "in [0, 255]"),
        (layers.Rescaling(2.0, -1.0), "in [0, 1]"),
        (layers.Normalization(mean=[123.0, 117.0, 104.0], variance=[58.0**2] * 3), "in [0, 255]"),
        (layers.Normalization(mean=[0.5] * 3, variance=[0.06] * 3), "in [0, 1]"),
    ],
)
def test_the_models_own_preprocessing_tells_its_range(layer, told):
    model = keras.Sequential([layers.Input((32, 32, 3)), layer, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)])
    assert inspect_teacher(model).input_range == told


def test_the_first_batch_norm_layer_tells_a_range_where_nothing_else_does(rng):
    model = softmax_model(layers.Flatten(), layers.Dense(4))
    images = rng.uniform(0, 255, (64, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2).astype("float32")
    norm = model.layers[1]
    norm.momentum = 0.0
    model(images, training=True)  # its statistics are now those of images in [0, 255]
    assert inspect_teacher(model).input_range == "in [0, 255], by its first BatchNorm layer"


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
    assert not any("call" in vars(layer) for layer in model._flatten_layers()), "nothing listens any more"


def test_a_model_that_cannot_be_inspected_stays_trainable_too():
    inputs = keras.Input((32, 32, 3))
    broken = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(inputs)) / 0.0)
    with pytest.raises(ValueError, match="not finite"):
        inspect_teacher(broken)
    assert broken.trainable and len(broken.trainable_variables) == 2


def test_it_prints_a_line_for_each_thing():
    text = str(inspect_teacher(models.lenet5()))
    for title in ("model", "images", "outputs", "BatchNorm", "features", "methods", "not"):
        assert sum(line.startswith(title) for line in text.splitlines()) == 1, title


def test_zskd_is_not_for_a_segmenter_that_ends_in_a_dense_layer():
    inspection = inspect_teacher(softmax_model(layers.Conv2D(8, 3, padding="same"), layers.Dense(4), shape=(16, 16, 3)))
    assert "sees a class in each pixel" in inspection.unfit["zskd"]
