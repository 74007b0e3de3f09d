"""Unit, normalized and stored images, and the way from one to the other."""

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.images import InputConvention, Normalization, check_space, to_uint8, to_unit

NORMALIZATION = dk.Normalization((0.4, 0.5, 0.6), (0.1, 0.2, 0.4))


def test_normalized_is_unit_minus_mean_over_std(rng):
    unit = rng.uniform(size=(2, 4, 4, 3)).astype("float32")
    expected = (unit - [0.4, 0.5, 0.6]) / [0.1, 0.2, 0.4]
    np.testing.assert_allclose(NORMALIZATION.normalize(unit), expected, atol=1e-5)


def test_denormalizing_undoes_normalizing(rng):
    images = rng.normal(size=(2, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(NORMALIZATION.normalize(NORMALIZATION.denormalize(images)), images, atol=1e-5)


def test_one_statistic_serves_all_channels_and_every_width(rng):
    unit = rng.uniform(size=(2, 4, 6, 3)).astype("float32")
    np.testing.assert_allclose(dk.Normalization((0.4,), (0.1,)).normalize(unit), (unit - 0.4) / 0.1, rtol=1e-4)
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, NORMALIZATION.normalize(inputs))
    np.testing.assert_allclose(model(unit), NORMALIZATION.normalize(unit), atol=1e-5)


def test_every_stored_level_survives_the_way_to_unit_images_and_back():
    stored = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    unit = np.array(to_unit(stored))
    assert (unit.dtype, unit.min(), unit.max()) == ("float32", 0.0, 1.0)
    np.testing.assert_array_equal(unit, stored / np.float32(255.0))
    np.testing.assert_array_equal(to_uint8(unit), stored)


def test_images_are_clipped_and_rounded_to_be_stored():
    images = np.array([-0.2, 0.4 / 255, 0.6 / 255, 1.2], "float32").reshape(1, 2, 2, 1)
    stored = np.array(to_uint8(images))
    assert stored.dtype == "uint8"
    assert stored.ravel().tolist() == [0, 0, 1, 255]


def test_an_unknown_space_is_refused_by_the_arguments_name():
    check_space("Synthesizer.output_space", "unit")
    with pytest.raises(ValueError, match=r"Synthesizer\.output_space='raw' is an unknown image space: use 'unit'"):
        check_space("Synthesizer.output_space", "raw")


@pytest.mark.parametrize(
    ("mean", "std", "message"), [((0.5,), (0.0,), "must be positive"), ((0.5,), (0.1, 0.2), "one value per channel")]
)
def test_impossible_statistics_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        dk.Normalization(mean, std)


MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
TAKEN = {
    "0..1": lambda unit: unit,
    "0..255": lambda unit: 255 * unit,
    "-1..1": lambda unit: 2 * unit - 1,
    "imagenet": lambda unit: (unit - MEAN) / STD,
    "caffe": lambda unit: (255 * unit - [123.68, 116.779, 103.939])[..., ::-1],
    "normalized": lambda unit: (unit - 0.3) / 0.4,
}


@pytest.mark.parametrize("input_range", TAKEN)
def test_unit_images_become_what_a_network_takes(rng, input_range):
    unit = rng.uniform(size=(2, 3, 4, 3)).astype("float32")
    made = InputConvention(input_range, normalization=Normalization((0.3,), (0.4,))).from_unit(unit)
    np.testing.assert_allclose(made, TAKEN[input_range](unit), rtol=1e-5, atol=1e-4)


def test_bgr_reverses_the_colors_and_keeps_alpha(rng):
    unit = rng.uniform(size=(2, 3, 4, 4)).astype("float32")
    made = InputConvention("0..255", "bgr").from_unit(unit)
    np.testing.assert_allclose(made, 255 * unit[..., [2, 1, 0, 3]], rtol=1e-6)
    gray = unit[..., :1]
    np.testing.assert_array_equal(InputConvention("0..1", "bgr").from_unit(gray), gray)


@pytest.mark.parametrize("shape", [(3, 4), (12,)])
def test_images_take_the_shape_that_a_network_takes(rng, shape):
    unit = rng.uniform(size=(2, 3, 4, 1)).astype("float32")
    np.testing.assert_array_equal(InputConvention(shape=shape).from_unit(unit), unit.reshape(2, *shape))


@pytest.mark.parametrize("argument", ["input_range", "channel_order"])
def test_an_unknown_convention_is_refused(argument):
    with pytest.raises(ValueError, match=rf"{argument}='grb' is unknown: use one of '"):
        InputConvention(**{argument: "grb"})
