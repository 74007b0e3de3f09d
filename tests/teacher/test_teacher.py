import keras
import keras_cv
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.utils.errors import InvalidInputError
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
    ("outputs", "cause"),
    [
        ("logits", "ends in a sigmoid"),
        ("probabilities", "has one output per image or pixel"),
        ("log_probabilities", "has one output per image or pixel"),
    ],
)
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_a_single_sigmoid_declared_as_something_else_is_refused(outputs, cause, activation):
    binary = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(1, 3, padding="same", activation=activation)])
    with pytest.raises(ValueError, match=rf"{cause}.*set Teacher\.outputs='sigmoid'"):
        dk.Teacher(binary, outputs=outputs)


def test_a_teacher_that_gives_nan_is_refused():
    model = functional()
    model.set_weights([np.full_like(weights, np.nan) for weights in model.get_weights()])
    with pytest.raises(ValueError, match="weights that are not finite, first in"):
        dk.Teacher(model)


def heads(as_outputs):
    images = layers.Input(SHAPE)
    flat = layers.Flatten()(images)
    return keras.Model(images, as_outputs(layers.Dense(4, name="a")(flat), layers.Dense(4, name="b")(flat)))


NO_TEACHERS = {
    "two heads": (lambda: heads(lambda a, b: [a, b]), "has the outputs a, b: .* --output=a"),
    "named heads": (lambda: heads(lambda a, b: {"x": a, "y": b}), "has the outputs x, y"),
    "boxes": (lambda: heads(lambda a, b: layers.Reshape((2, 2))(a)), r"of the shape \(None, 2, 2\)"),
    "channels first": (
        lambda: keras.Sequential([layers.Input((3, 8, 8)), layers.GlobalAveragePooling2D("channels_first")]),
        "with channels first",
    ),
    "one softmax": (
        lambda: keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(1, activation="softmax")]),
        "ends in the softmax of a single value",
    ),
}


@pytest.mark.parametrize(("make", "message"), NO_TEACHERS.values(), ids=NO_TEACHERS)
@pytest.mark.parametrize("entrance", [dk.Teacher, dk.inspect_teacher])
def test_what_is_no_teacher_is_told_in_python_as_it_is_of_a_file(make, message, entrance):
    with pytest.raises(InvalidInputError, match=message) as told:
        entrance(make())
    assert "\n" not in str(told.value)


def test_a_subclassed_model_of_two_heads_is_told_its_outputs():
    class TwoHeads(keras.Model):
        def call(self, images, training=False):
            return images, images

    with pytest.raises(InvalidInputError, match="returns a tuple, and a teacher returns a score for each class"):
        dk.Teacher(TwoHeads(), image_shape=SHAPE)


@pytest.mark.parametrize("put", [lambda images: [images], lambda images: {"images": images}], ids=["list", "dict"])
def test_a_model_of_images_in_a_list_or_a_dictionary_gets_them_without_a_warning(recwarn, put):
    images = keras.Input(SHAPE, name="images")
    model = keras.Model(put(images), [layers.Dense(5)(layers.Flatten()(images))])
    teacher, unit_images = dk.Teacher(model), np.ones((2, *SHAPE), "float32")
    np.testing.assert_array_equal(teacher(unit_images).logits, model(put(unit_images)))
    assert not [each for each in recwarn if "structure of `inputs`" in str(each.message)]


def test_gradients_reach_the_images_of_a_model_that_takes_bytes(rng):
    model = keras.Sequential(
        [layers.Input(SHAPE, dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(5)]
    )
    images = rng.uniform(size=(2, *SHAPE)).astype("float32")
    teacher = dk.Teacher(model, input_range="0..255")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(images))
        logits = teacher(variable).logits
    assert np.abs(tape.gradient(logits, variable)).max() > 0
    whole = np.round(images * 255).astype("uint8")
    np.testing.assert_allclose(teacher(whole / 255.0).logits, model(whole), atol=1e-5)


def test_a_model_that_takes_bytes_and_normalizes_them_by_what_it_saw_computes_the_same(rng):
    bytes_seen = rng.integers(0, 256, (64, *SHAPE), dtype=np.uint8)
    normalization = layers.Normalization()
    normalization.adapt(bytes_seen)
    model = keras.Sequential([layers.Input(SHAPE, dtype="uint8"), normalization, layers.Flatten(), layers.Dense(5)])
    teacher = dk.Teacher(model, input_range="0..255")
    np.testing.assert_allclose(teacher(bytes_seen[:4] / 255.0).logits, model(bytes_seen[:4]), atol=1e-4)


@pytest.mark.parametrize("kind", ["vectors", "nested"])
def test_gradients_reach_bytes_wherever_the_model_takes_them(rng, kind):
    shape = (36,) if kind == "vectors" else (6, 6, 1)
    inner = keras.Sequential([layers.Input(shape, dtype="uint8"), layers.Rescaling(1 / 255)])
    images = layers.Input(shape, dtype="uint8")
    entered = inner(images) if kind == "nested" else layers.Rescaling(1 / 255)(images)
    model = keras.Model(images, layers.Dense(5)(layers.Flatten()(entered)))
    teacher, unit = dk.Teacher(model, input_range="0..255"), rng.uniform(size=(2, 6, 6, 1)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(unit))
        logits = teacher(variable).logits
    assert np.abs(tape.gradient(logits, variable)).max() > 0
    whole = np.round(unit * 255)
    expected = model(whole.astype("uint8").reshape(2, *shape))
    np.testing.assert_allclose(teacher(whole / 255).logits, expected, atol=1e-4)


def test_a_model_of_channels_first_gets_them_at_its_entrance(rng):
    inner = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    inputs = layers.Input((SHAPE[2], *SHAPE[:2]))
    teacher = dk.Teacher(keras.Model(inputs, inner(layers.Permute((2, 3, 1))(inputs))))
    images = rng.uniform(size=(2, *SHAPE)).astype("float32")
    assert teacher.image_shape == SHAPE
    np.testing.assert_allclose(teacher(images).logits, inner(images), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_all_that_comes_out_of_a_teacher_is_float32(images, dtype):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        teacher = dk.Teacher(functional(), features=("penultimate", "stage_1"))
    finally:
        keras.config.set_dtype_policy(policy)
    teacher.record({"features", "batch_statistics", "sample_means"})
    found = teacher(images)
    everything = [found.logits, found.sample_means, *found.features.values(), *found.batch_statistics[0]]
    assert len(everything) == 8
    assert {keras.backend.standardize_dtype(each.dtype) for each in everything} == {"float32"}


@pytest.mark.parametrize("declared", ["probabilities", None])
def test_a_softmax_in_half_precision_is_probabilities(declared):
    head = layers.Dense(1000, activation="softmax", dtype="bfloat16")
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), head])
    outputs = declared or dk.inspect_teacher(model).outputs
    assert dk.Teacher(model, outputs=outputs).outputs == "probabilities"


def test_vectors_of_images_that_are_not_square_are_taken_with_their_shape():
    model = keras.Sequential([layers.Input((28 * 32,)), layers.Dense(10)])
    assert dk.Teacher(model, image_shape=(28, 32, 1)).image_shape == (28, 32, 1)
    assert dk.inspect_teacher(model, image_shape=(28, 32, 1)).num_classes == 10


def test_a_sigmoid_that_is_sure_of_everything_is_a_teacher():
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(1, "sigmoid")])
    model.set_weights([np.full((192, 1), 1.0), np.zeros(1)])
    teacher = dk.Teacher(model, input_range="0..255", outputs="sigmoid")
    assert teacher.outputs_of(model) == "sigmoid"
