import keras
import numpy as np
import pytest

from dfkd_keras import models
from dfkd_keras.images import InputConvention
from dfkd_keras.models.preprocessed import preprocessed
from dfkd_keras.utils.errors import InvalidInputError


def network(image_shape, num_classes):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.layers.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(num_classes)], name="linear"
    )


@pytest.mark.parametrize("input_range", ["0..255", "-1..1", "imagenet", "caffe"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_network_gets_unit_images_back(rng, input_range, order):
    unit = rng.uniform(size=(2, 4, 5, 3)).astype("float32")
    student = preprocessed(network, (4, 5, 3), 7, input_range, order)
    taken = InputConvention(input_range, order).from_unit(unit)
    expected = network((4, 5, 3), 7)(unit[..., ::-1] if order == "bgr" else unit)
    np.testing.assert_allclose(student(taken), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 5), (20,)])
def test_the_network_gets_images_of_three_axes(rng, shape):
    unit = rng.uniform(size=(2, 4, 5, 1)).astype("float32")
    student = preprocessed(network, (4, 5, 1), 3, "0..255", input_shape=shape)
    assert student.input_shape == (None, *shape) and student.name == "linear"
    taken = InputConvention("0..255", shape=shape).from_unit(unit)
    np.testing.assert_allclose(student(taken), network((4, 5, 1), 3)(unit), atol=1e-4)


def test_a_network_of_unit_images_stays_as_it_is():
    student = preprocessed(models.lenet5_half, (32, 32, 1), 4)
    assert student.name == "lenet5_half" and student.output_shape == (None, 4)


def test_it_is_saved_without_code_of_this_package(tmp_path, rng):
    student = preprocessed(network, (4, 5, 3), 7, "imagenet")
    student.save(tmp_path / "student.keras")
    images = rng.uniform(size=(2, 4, 5, 3)).astype("float32")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    np.testing.assert_allclose(loaded(images), student(images), atol=1e-6)


def test_statistics_of_colors_are_refused_for_gray_images():
    with pytest.raises(InvalidInputError, match="'imagenet' is for images of 3 channels, not 1"):
        preprocessed(network, (4, 5, 1), 7, "imagenet")
    with pytest.raises(InvalidInputError, match="'normalized' must be one of"):
        preprocessed(network, (4, 5, 3), 7, "normalized")
