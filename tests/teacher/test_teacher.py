import keras
import keras_cv
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.keras_internals import flatten_layers
from tests.conftest import equal, values


class Subclassed(keras.Model):
    """A teacher that is no graph of layers."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = layers.Conv2D(4, 3), layers.BatchNormalization()
        self.pool, self.dense = layers.GlobalAveragePooling2D(), layers.Dense(10)

    def call(self, x, training=False):
        return self.dense(self.pool(self.norm(self.convolution(x), training=training)))


def functional():
    x = inputs = layers.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def nested():
    backbone = keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    return keras.Sequential([backbone, layers.GlobalAveragePooling2D(), layers.Dense(10)])


SHAPE = (8, 8, 3)


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8, 8, 3), "float32"))
    return model


KINDS = pytest.mark.parametrize("build", [functional, nested, subclassed])


@pytest.fixture
def images(rng):
    return rng.normal(size=(6, 8, 8, 3)).astype("float32")


@KINDS
def test_a_model_of_unit_images_gets_unit_images(build, images, normalization):
    model = build()
    teacher = dk.Teacher(model, normalization, image_shape=SHAPE)
    np.testing.assert_array_equal(teacher(images).logits, model(images, training=False))
    assert teacher.to_inputs(images) is images


@KINDS
def test_a_model_of_normalized_images_gets_normalized_images(build, images, normalization):
    model = build()
    teacher = dk.Teacher(model, normalization, input_range="normalized", image_shape=SHAPE)
    inputs = (images - 0.3) / 0.4
    np.testing.assert_allclose(teacher.to_inputs(images), inputs, atol=1e-5)
    np.testing.assert_allclose(teacher(images).logits, model(inputs, training=False), atol=1e-5)
    np.testing.assert_array_equal(teacher.predict_classes(images), np.argmax(model(inputs, training=False), axis=-1))


def test_an_unknown_input_range_is_refused():
    with pytest.raises(ValueError, match=r"input_range='byte' is unknown: use one of"):
        dk.Teacher(functional(), input_range="byte")


def test_a_model_that_is_refused_stays_trainable():
    model = functional()
    with pytest.raises(ValueError, match="does not return probabilities"):
        dk.Teacher(model, outputs="probabilities")
    assert model.trainable


@KINDS
def test_batch_statistics_are_those_of_the_norms_input(build, images):
    model = build()
    teacher = dk.Teacher(model, image_shape=SHAPE)
    teacher.record({"batch_statistics"})
    (statistics,) = teacher(images).batch_statistics
    flat = [layer for layer in flatten_layers(model) if isinstance(layer, layers.Conv2D)]
    inputs = np.array(flat[0](images))
    np.testing.assert_allclose(statistics.mean, inputs.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(statistics.variance, inputs.var(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_array_equal(statistics.moving_mean, np.zeros(4))
    np.testing.assert_array_equal(statistics.moving_variance, np.ones(4))


@KINDS
def test_penultimate_features_are_what_the_last_dense_layer_gets(build, images):
    model = build()
    teacher = dk.Teacher(model, image_shape=SHAPE)
    teacher.record({"features"})
    outputs = teacher(images)
    dense = [layer for layer in flatten_layers(model) if isinstance(layer, layers.Dense)][-1]
    np.testing.assert_allclose(dense(outputs.features["penultimate"]), outputs.logits, atol=1e-5)


def test_named_layers_are_features_too(images):
    model = functional()
    name = model.layers[1].name
    teacher = dk.Teacher(model, features=(name,))
    teacher.record({"features"})
    assert teacher(images).features[name].shape == (6, 6, 6, 4)


def test_what_nobody_needs_is_not_computed(images):
    outputs = dk.Teacher(functional())(images)
    assert not outputs.features
    assert not outputs.batch_statistics


def test_the_teacher_is_frozen(images):
    teacher = dk.Teacher(functional())
    before = values(teacher.model.variables)
    teacher.record({"batch_statistics", "features"})
    teacher(images)
    assert equal(values(teacher.model.variables), before)
    assert not teacher.trainable_variables


def test_declared_probabilities_become_logits(images):
    model = functional()
    softmax = keras.Sequential([model, layers.Softmax()])
    logits = np.array(dk.Teacher(model)(images).logits)
    declared = np.array(dk.Teacher(softmax, outputs="probabilities")(images).logits)
    np.testing.assert_allclose(
        declared - declared.mean(1, keepdims=True), logits - logits.mean(1, keepdims=True), atol=1e-3
    )


def test_a_stock_segmenter_of_keras_cv_works_with_outputs_set_to_probabilities(images):
    body = {"stackwise_filters": [8, 8, 8, 8], "stackwise_blocks": [2, 2, 2, 2], "stackwise_strides": [1, 2, 2, 2]}
    backbone = keras_cv.models.ResNetV2Backbone(**body, include_rescaling=False, input_shape=(32, 32, 3))
    model, images = keras_cv.models.DeepLabV3Plus(backbone, num_classes=5), np.tile(images, (1, 4, 4, 1))
    with pytest.raises(ValueError, match=r"ends in softmax, but logits are expected"):
        dk.Teacher(model)
    teacher = dk.Teacher(model, outputs="probabilities")
    teacher.record({"batch_statistics"})
    outputs = teacher(images)
    assert teacher.is_segmenter and teacher.logits_shape == (32, 32, 5) and outputs.batch_statistics
    np.testing.assert_allclose(ops.softmax(outputs.logits), model(images, training=False), atol=1e-5)


@pytest.mark.parametrize("last", [layers.Softmax(), layers.Dense(10, activation="softmax")])
def test_an_undeclared_softmax_is_detected(last):
    with pytest.raises(ValueError, match=r"ends in softmax, but logits are expected.*outputs='probabilities'"):
        dk.Teacher(keras.Sequential([functional(), last]))


def test_logits_declared_as_probabilities_are_refused():
    with pytest.raises(ValueError, match="does not return probabilities"):
        dk.Teacher(functional(), outputs="probabilities")


def test_a_teacher_without_batch_norm_cannot_give_statistics():
    with pytest.raises(ValueError, match=r"'lenet5' has no BatchNormalization layer.*weight 0"):
        dk.Teacher(models.lenet5()).record({"batch_statistics"})


def test_an_unknown_feature_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'nowhere' is neither .* nor a layer of the model .*; its layers: .*conv2d"):
        dk.Teacher(models.lenet5(), features=("nowhere",)).record({"features"})


def test_pretrained_teachers_reach_their_accuracy_and_record_statistics(teachers_dir, tfds_dir):
    from dfkd_keras.data import tfds_dataset

    test = tfds_dataset("cifar10", data_dir=tfds_dir).load("test")
    model = keras.saving.load_model(f"{teachers_dir}/cifar10_resnet20.keras", compile=False)
    teacher = dk.Teacher(model, dk.Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))
    teacher.record({"batch_statistics"})
    outputs = teacher(test.unit_images[:1000])
    assert np.mean(np.argmax(outputs.logits, axis=-1) == test.labels[:1000]) > 0.9
    assert len(outputs.batch_statistics) == 19


def test_a_subclassed_teacher_without_its_image_shape_is_told_the_argument():
    with pytest.raises(ValueError, match=r"has no known image shape.*Teacher\.image_shape"):
        dk.Teacher(subclassed())


@pytest.mark.parametrize(
    ("outputs", "cause"), [("logits", "ends in a sigmoid"), ("probabilities", "has one output per image or pixel")]
)
def test_a_single_sigmoid_declared_as_something_else_is_refused(outputs, cause):
    binary = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(1, 3, padding="same", activation="sigmoid")])
    with pytest.raises(ValueError, match=rf"{cause}.*set Teacher\.outputs='sigmoid'"):
        dk.Teacher(binary, outputs=outputs)


def test_a_teacher_that_gives_nan_is_refused():
    model = functional()
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    with pytest.raises(ValueError, match="outputs that are not finite"):
        dk.Teacher(model)
