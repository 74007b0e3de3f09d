"""The network that keeps to a budget: any image, any number of classes, and it learns."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.data import digits
from dfkd_keras.models import compact_cnn, lenet5
from dfkd_keras.teacher.cost import multiplications

SHAPES = [(8, 8, 1), (9, 31, 3), (28, 28, 1), (32, 32, 4), (33, 32, 3), (50, 50, 3), (100, 8, 1), (224, 224, 3)]


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_classes", [2, 1000])
def test_budgets_are_kept_and_one_of_them_is_nearly_used_up(shape, num_classes):
    pixels = shape[0] * shape[1]
    for per_class, per_pixel in itertools.product((20, 200), (100, 1000)):
        budget = {"parameters": 5_000 + per_class * num_classes, "multiplications": 20_000 + per_pixel * pixels}
        model = compact_cnn(shape, num_classes, **budget)
        spent = {"parameters": model.count_params(), "multiplications": multiplications(model)}
        assert all(spent[name] <= budget[name] for name in budget), (spent, budget)
        assert max(spent[name] / budget[name] for name in budget) > 0.8, (spent, budget)
        assert model.output_shape == (None, num_classes)


def test_if_nothing_fits_the_narrowest_is_taken():
    model = compact_cnn((224, 224, 3), 1000, parameters=100, multiplications=100)
    assert {layer.filters for layer in convolutions(model)} == {2}


@pytest.mark.parametrize(("shape", "stride"), [((32, 32, 3), (1, 1)), ((33, 32, 3), (2, 2)), ((224, 224, 3), (2, 2))])
def test_large_images_are_halved_by_the_first_convolution(shape, stride):
    model = compact_cnn(shape, 10, parameters=100_000, multiplications=20_000_000)
    assert convolutions(model)[0].strides == stride


@pytest.mark.parametrize("shape", SHAPES)
def test_the_last_map_is_small(shape):
    model = compact_cnn(shape, 10, parameters=100_000, multiplications=10_000_000)
    _, height, width, _ = convolutions(model)[-1].output.shape
    assert height * width <= 36


def test_where_the_budget_allows_stages_have_two_convolutions():
    rich, poor = (compact_cnn((32, 32, 3), 10, 100 * scale, 10_000 * scale) for scale in (600, 10))
    assert [layer.strides[0] for layer in convolutions(rich)] == [1, 2, 1, 2, 1, 2, 1]
    assert [layer.strides[0] for layer in convolutions(poor)] == [1, 2, 2, 2]


def test_it_normalizes_inside_and_can_be_saved(tmp_path, rng, normalization):
    unit = rng.uniform(size=(2, 12, 10, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    inside = compact_cnn((12, 10, 3), 4, 2_000, 100_000, normalization)
    keras.utils.set_random_seed(0)
    outside = compact_cnn((12, 10, 3), 4, 2_000, 100_000)
    np.testing.assert_allclose(inside(unit), outside(normalization.normalize(unit)), atol=1e-4)
    inside.save(tmp_path / "compact.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "compact.keras")(unit), inside(unit))


@pytest.mark.parametrize("argument", ["num_classes", "parameters", "multiplications"])
def test_impossible_budgets_are_refused(argument):
    arguments = {"num_classes": 10, "parameters": 1000, "multiplications": 1000, argument: 0}
    with pytest.raises(ValueError, match=rf"compact_cnn\.{argument}=0 must be a whole number of at least 1"):
        compact_cnn((8, 8, 1), **arguments)


def test_a_quarter_of_lenet_5_learns_the_digits():
    train = digits(28).load("train")
    teacher = lenet5()
    keras.utils.set_random_seed(0)
    model = compact_cnn((28, 28, 1), 10, teacher.count_params() // 4, multiplications(teacher) // 4)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 5 * math.ceil(len(train.labels) / 64))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(train.unit_images, train.labels, batch_size=64, epochs=5, verbose=0)
    assert model.evaluate(train.unit_images, train.labels, batch_size=256, verbose=0)[1] >= 0.95
