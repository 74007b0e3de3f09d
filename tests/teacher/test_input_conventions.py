"""How a model takes its images is found out: told by its layers and statistics, or guessed from its outputs."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from dfkd_keras.images import STATISTICS, InputConvention
from dfkd_keras.teacher.input_conventions import best_convention, guess_input_convention
from dfkd_keras.utils.errors import InvalidInputError

SHAPE = (16, 16, 3)
RANGES = ("0..1", *STATISTICS)
COLORS = ("red", "green", "blue")


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


@pytest.fixture
def images(rng):
    """Unit images whose neighboring pixels are alike, as in photographs."""
    coarse = rng.uniform(size=(64, 4, 4, 3)) * rng.uniform(0.3, 1.0, (64, 1, 1, 1))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype("float32")


def behind(preprocessing, shape=SHAPE):
    """A functional model with some preprocessing in front of its first convolution."""
    inputs = keras.Input(shape)
    maps = layers.Conv2D(4, 3, padding="same", activation="relu")(preprocessing(inputs))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(maps)))


class Halving(keras.layers.Layer):
    """A layer of someone's own that brings bytes to [-1, 1]."""

    def call(self, images):
        return images / 127.5 - 1.0


@pytest.mark.parametrize(
    ("preprocessing", "input_range", "becomes"),
    [
        (layers.Rescaling(1 / 255), "0..255", "0..1"),
        (layers.Rescaling(1 / 127.5, -1.0), "0..255", "-1..1"),
        (layers.Rescaling(2.0, -1.0), "0..1", "-1..1"),
        (layers.Rescaling(255.0), "0..1", "0..255"),
        (layers.Rescaling(0.5, 0.5), "-1..1", "0..1"),
        (layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3), "0..255", "-2..2.25"),
        (layers.Normalization(mean=[0.5] * 3, variance=[0.0625] * 3), "0..1", "-2..2"),
        (layers.Rescaling(1.0, -0.45), "0..1", "-0.45..0.55"),
        (lambda images: images / 255.0, "0..255", "0..1"),
        (lambda images: ops.subtract(images, 127.5), "0..255", "-128..128"),
        (lambda images: layers.ZeroPadding2D(3)(layers.Rescaling(1 / 255)(images)), "0..255", "0..1"),
        (keras.Sequential([layers.Input(SHAPE), layers.RandomFlip(), layers.Rescaling(1 / 255)]), "0..255", "0..1"),
        (Halving(), "0..255", "-1..1"),
    ],
)
def test_a_models_own_rescaling_tells_its_range(preprocessing, input_range, becomes):
    guess = guess_input_convention(behind(preprocessing), SHAPE)
    assert (guess.input_range, guess.confidence, guess.others) == (input_range, "certain", ())
    assert guess.reason == f"its own layers turn {input_range} into {becomes}"


def test_a_deviation_that_images_from_0_to_1_cannot_have_speaks_for_another_range():
    normalization = layers.Normalization(mean=[0.05] * 3, variance=[0.25] * 3)
    model = keras.Sequential(
        [layers.Input((8, 8, 3)), normalization, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    )
    found = guess_input_convention(model, (8, 8, 3))
    assert (found.input_range, found.confidence, found.others) == ("-1..1", "likely", ("0..1",))


def test_a_convolution_whose_activation_is_a_layer_counts_as_the_first():
    """Otherwise what it makes of the images would be taken for a rescaling."""
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(16, 3, activation=layers.LeakyReLU()), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    assert guess_input_convention(keras.Sequential([layers.Input((8, 8, 3)), *body]), (8, 8, 3)).confidence != "certain"


def test_rescaling_behind_the_first_weights_does_not_count():
    model = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(4, 3), layers.Rescaling(1 / 255), layers.Flatten()])
    model.add(layers.Dense(3))
    assert guess_input_convention(model, SHAPE).confidence != "certain"


def normalizing(shape, *before_norm):
    norm = layers.BatchNormalization(momentum=0.0)
    head = [norm, layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(4, "softmax")]
    return keras.Sequential([layers.Input(shape), *before_norm, *head])


def convolutional(activation=None):
    return layers.Conv2D(16, 3, activation=activation, bias_initializer="random_normal")


@pytest.mark.parametrize("input_range", RANGES)
def test_batch_norm_behind_a_linear_layer_tells_the_training_images(images, input_range):
    model = normalizing(SHAPE, layers.ZeroPadding2D(1), convolutional())
    trained_on = np.array(InputConvention(input_range).from_unit(images))
    model(trained_on, training=True)  # its statistics are now those of the images
    guess = guess_input_convention(model, SHAPE)
    assert guess.input_range == input_range
    told = float(guess.reason.split("mean ")[1].split(" and")[0])
    assert abs(told - trained_on.mean()) < 0.1 * trained_on.std()


@pytest.mark.parametrize("input_range", RANGES)
def test_batch_norm_of_the_images_themselves_tells_them(images, input_range):
    model = normalizing(SHAPE)
    model(np.array(InputConvention(input_range).from_unit(images)), training=True)
    assert guess_input_convention(model, SHAPE).input_range == input_range


@pytest.mark.parametrize("input_range", ["0..1", "0..255"])
def test_batch_norm_behind_other_layers_is_evidence(images, input_range):
    model = normalizing(SHAPE, convolutional("relu"))
    model.layers[-1].set_weights([np.zeros((16, 4)), np.zeros(4)])  # the outputs tell nothing
    model(np.array(InputConvention(input_range).from_unit(images)), training=True)
    assert guess_input_convention(model, SHAPE).input_range == input_range


def test_statistics_that_were_never_trained_tell_nothing():
    assert "saw images" not in guess_input_convention(normalizing(SHAPE, convolutional()), SHAPE).reason


def test_real_images_replace_assumptions_about_the_training_images(images):
    bright = 0.7 + 0.3 * images
    model = normalizing(SHAPE, convolutional())
    model(2.0 * bright - 1.0, training=True)
    assert guess_input_convention(model, SHAPE).input_range == "0..1", "as mean and deviation alone suggest"
    guess = guess_input_convention(model, SHAPE, np.uint8(255 * bright))
    assert guess.input_range == "-1..1"


def dense(head, units=6, scale=1.0, input_shape=SHAPE):
    """A model without hidden layers, whose logits have a spread of some units for images in [0, `scale`]."""
    output = layers.Dense(units, head)
    model = keras.Sequential([layers.Input(input_shape), layers.Flatten(), output])
    kernel = np.random.default_rng(1).normal(size=output.kernel.shape)
    kernel = 12.0 / scale * (kernel - kernel.mean(axis=0)) / np.sqrt(len(kernel))
    output.set_weights([kernel, np.random.default_rng(2).normal(size=units)])
    return model


HEADS = [(None, 6), ("softmax", 6), ("log_softmax", 6), ("sigmoid", 6), ("sigmoid", 1)]


@pytest.mark.parametrize(("head", "units"), HEADS)
@pytest.mark.parametrize(("input_range", "scale"), [("0..1", 1.0), ("0..255", 255.0)])
def test_logits_of_a_usual_spread_tell_the_range(head, units, input_range, scale):
    assert guess_input_convention(dense(head, units, scale), SHAPE).input_range == input_range


@pytest.mark.parametrize(("own", "shape"), [((16, 16), (16, 16, 1)), ((16, 16, 1), (16, 16, 1)), ((256,), (16, 16, 1))])
def test_gray_images_of_any_shape_are_tried(own, shape):
    guess = guess_input_convention(dense("softmax", scale=255.0, input_shape=own), shape)
    assert guess.input_range == "0..255"
    assert not {"imagenet", "caffe"} & {*guess.others}


def test_a_size_that_is_left_open_is_chosen():
    inputs = keras.Input((None, None, 3))
    scaled = layers.Rescaling(1 / 255)(inputs)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(scaled)))
    assert guess_input_convention(model, (None, None, 3)).input_range == "0..255"


def test_a_segmenter_is_tried_too():
    layer = layers.Conv2D(5, 3, padding="same", activation="softmax")
    model = keras.Sequential([layers.Input(SHAPE), layer])
    layer.set_weights([np.random.default_rng(0).normal(0.0, 2.0 / 255.0, layer.kernel.shape), np.ones(5)])
    guess = guess_input_convention(model, SHAPE)
    assert guess.input_range == "0..255"
    assert guess.reason == "its outputs vary over images as they usually do, unlike in 0..1"


@pytest.mark.parametrize("input_range", ["0..1", "-1..1", "0..255"])
def test_a_network_without_batch_norm_is_guessed_from_outputs_and_biases(rng, input_range):
    kernel = rng.normal(size=(3, 3, 3, 32)) / 3.0
    sums = kernel.sum(axis=(0, 1, 2))
    conv, pool, output = layers.Conv2D(32, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(6)
    model = keras.Sequential([layers.Input(SHAPE), conv, pool, output])
    scale, offset = {"0..1": (1.0, 0.0)}.get(input_range) or (part[0] for part in STATISTICS[input_range])
    unit_biases = -0.4 * sums  # each unit is on for about half of the images
    conv.set_weights([kernel / scale, unit_biases - offset / scale * sums])
    output.set_weights([6.0 * rng.normal(size=(32, 6)), np.zeros(6)])
    guess = guess_input_convention(model, SHAPE)
    assert guess.input_range == input_range


def test_nothing_to_go_by_leaves_the_most_common_range():
    model = keras.Sequential([layers.Input(SHAPE), layers.GlobalAveragePooling2D(), layers.Dense(3, use_bias=False)])
    model.layers[-1].set_weights([np.zeros((3, 3))])
    guess = guess_input_convention(model, SHAPE)
    assert (guess.input_range, guess.confidence) == ("0..1", "guess")
    assert guess.others == ("0..255", "-1..1", "imagenet", "caffe")
    assert guess.reason == "it is more common than 0..255, and nothing else tells them apart"


def colored(rng, count=96, channels=3):
    """uint8 images in which one channel is brighter than the others, and its number."""
    labels = rng.integers(0, channels, count)
    images = rng.integers(0, 160, (count, 16, 16, channels)) + 60 * np.eye(channels, dtype=int)[labels][:, None, None]
    return images.astype("uint8"), labels


def color_model(order, scale=1.0, activation="softmax"):
    """A model that names the brightest of red, green and blue, which it takes in an order."""
    kernel = 60.0 / scale * np.eye(3)[list(order)]
    model = keras.Sequential(
        [layers.Input(SHAPE), layers.GlobalAveragePooling2D(), layers.Dense(3, activation, use_bias=False)]
    )
    model.layers[-1].set_weights([kernel])
    return model


@pytest.mark.parametrize(("order", "name"), [((0, 1, 2), "rgb"), ((2, 1, 0), "bgr")])
@pytest.mark.parametrize(("input_range", "scale"), [("0..1", 1.0), ("0..255", 255.0)])
def test_labels_tell_range_and_order(rng, order, name, input_range, scale):
    best = best_convention(color_model(order, scale), *colored(rng))
    assert (best.input_range, best.channel_order, best.accuracy) == (input_range, name, 1.0)
    wrong = best.accuracies[input_range, "bgr" if name == "rgb" else "rgb"]
    assert wrong < 0.5
    assert len(best.accuracies) == 10


def test_gray_images_have_no_order(rng):
    images = rng.integers(0, 256, (64, 16, 16, 1)).astype("uint8")
    images[32:] //= 4
    model = keras.Sequential([layers.Input((16, 16)), layers.Flatten(), layers.Dense(1, "sigmoid")])
    model.layers[-1].set_weights([np.full((256, 1), -40.0 / 256), np.array([12.0])])  # dark images are class 1
    best = best_convention(model, images, np.repeat([0, 1], 32))
    assert (best.input_range, best.channel_order, best.accuracy) == ("0..1", None, 1.0)
    assert [order for _, order in best.accuracies] == [None, None, None]


def test_pixels_may_be_labeled_and_ignored(rng):
    images = rng.integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    labels = images.argmax(axis=-1).astype("uint8")
    labels[:, 0] = 255
    model = keras.Sequential([layers.Input(SHAPE), layers.Dense(3, use_bias=False)])
    model.layers[-1].set_weights([np.eye(3)[::-1] / 10.0])
    best = best_convention(model, images, labels)
    assert best.channel_order == "bgr" and best.accuracy > 0.98


@pytest.mark.parametrize("labels", [np.zeros((96, 2), int), np.full(96, 7), np.full(96, -1)])
def test_labels_that_do_not_fit_are_refused(rng, labels):
    with pytest.raises(InvalidInputError, match="do not fit the model's predictions of shape"):
        best_convention(color_model((0, 1, 2)), colored(rng)[0], labels)


@pytest.mark.parametrize("images", [np.zeros((4, *SHAPE), "float32"), np.zeros((4, 8, 8, 3), "uint8")])
def test_images_that_cannot_be_tried_are_refused(images):
    with pytest.raises(InvalidInputError, match=r"give uint8 images \(16, 16, 3\)"):
        guess_input_convention(dense(None), SHAPE, images)
