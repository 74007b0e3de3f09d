"""The multiplications of a forward pass, against numbers computed by hand or published."""

import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras import models
from dfkd_keras.teacher.cost import multiplications

SHAPE = (8, 6, 3)  # height, width and channels of the images below


def sequential(*parts, shape=SHAPE):
    return keras.Sequential([keras.Input(shape), *parts])


def test_lenet_5():
    convolutions = 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 25 * 16 * 120
    assert multiplications(models.lenet5()) == convolutions + 120 * 84 + 84 * 10 == 416_520


def test_resnet_20_has_the_published_41_million_but_for_the_projections_that_it_does_without():
    projections = 16 * 16 * 16 * 32 + 8 * 8 * 32 * 64
    assert multiplications(models.cifar_resnet(depth=20)) + projections == 40_813_184


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(4, 3, padding="same"), 8 * 6 * 9 * 3 * 4),
        (layers.Conv2D(4, (3, 1)), 6 * 6 * 3 * 3 * 4),
        (layers.Conv2D(4, 3, strides=2, padding="same"), 4 * 3 * 9 * 3 * 4),
        (layers.Conv2D(6, 3, padding="same", groups=3), 8 * 6 * 9 * 1 * 6),
        (layers.Conv2D(4, 3, padding="same", dilation_rate=2), 8 * 6 * 9 * 3 * 4),
        (layers.DepthwiseConv2D(3, padding="same"), 8 * 6 * 9 * 3),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 6 * 4 * 9 * 3 * 2),
        (layers.SeparableConv2D(5, 3), 6 * 4 * (9 * 3 + 3 * 5)),
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), 6 * 4 * (9 * 6 + 6 * 5)),
        (layers.Conv2DTranspose(4, 3, strides=2, padding="same"), 8 * 6 * 9 * 3 * 4),
        (layers.Dense(7), 8 * 6 * 3 * 7),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_a_layer(layer, expected):
    assert multiplications(sequential(layer)) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv1D(4, 3), 8 * 3 * 6 * 4),
        (layers.Conv1DTranspose(4, 3), 10 * 3 * 6 * 4),
        (layers.DepthwiseConv1D(3), 8 * 3 * 6),
        (layers.SeparableConv1D(4, 3), 8 * (3 * 6 + 6 * 4)),
    ],
)
def test_a_layer_of_sequences(layer, expected):
    assert multiplications(sequential(layer, shape=(10, 6))) == expected


def test_a_layer_in_three_dimensions():
    volumes = sequential(layers.Conv3D(2, 3), shape=(4, 5, 6, 1))
    assert multiplications(volumes, (4, 5, 6, 1)) == 2 * 3 * 4 * 27 * 2


def test_nested_models_count_and_shared_layers_count_per_call():
    shared = layers.Conv2D(3, 1)
    inner = sequential(shared, layers.Conv2D(2, 1))
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(inner(shared(inputs))))
    assert multiplications(model) == 8 * 6 * (9 + 9 + 6)


def test_a_subclassed_model_is_told_its_image_shape():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [sequential(layers.Conv2D(4, 3, strides=2)), layers.Flatten()]
            self.head = layers.Dense(2)

        def call(self, images):
            for block in self.blocks:
                images = block(images)
            return self.head(images)

    model = Subclassed()
    model(np.zeros((1, *SHAPE), "float32"))
    assert multiplications(model, SHAPE) == 3 * 2 * 27 * 4 + 3 * 2 * 4 * 2
    with pytest.raises(ValueError, match="has no known image shape"):
        multiplications(model)


def test_images_of_any_size_are_taken_as_32_pixels():
    assert multiplications(sequential(layers.Conv2D(2, 1), shape=(None, None, 1))) == 32 * 32 * 2


def test_counting_leaves_the_model_as_it_was():
    model = sequential(layers.Conv2D(2, 3), layers.BatchNormalization())
    weights = [weight.copy() for weight in model.get_weights()]
    multiplications(model)
    assert all((before == after).all() for before, after in zip(weights, model.get_weights(), strict=True))
    assert not any("call" in vars(layer) for layer in model.layers)
