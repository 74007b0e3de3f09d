import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.slim.graph import read_graph
from dfkd_keras.models.slim.groups import dependencies
from dfkd_keras.models.slim.refit import refit
from dfkd_keras.models.slim.surgery import slim_network
from tests.models.slim.networks import (
    convolutions_of_one_axis,
    mobile,
    network,
    plain,
    random_images,
    residual,
    upsampling,
)


def depthwise(x, c):
    x = layers.DepthwiseConv2D(3, 2, depth_multiplier=2, activation="relu")(layers.Conv2D(c, 1)(x))
    return layers.Flatten()(x)


@pytest.mark.parametrize(
    "body", [plain, convolutions_of_one_axis, residual, mobile, depthwise, upsampling], ids=lambda body: body.__name__
)
def test_weights_that_went_wrong_are_found_again(body, rng):
    teacher, images = network(body, head=None), random_images(200)
    graph = read_graph(teacher)
    found = dependencies(graph, graph.shapes(images))
    kept = np.ones(len(found.roots), bool)
    student, slim_layers = slim_network(teacher, graph, found, kept)
    for layer in student.layers:
        for name in ("kernel", "pointwise_kernel", "bias"):
            if (weight := getattr(layer, name, None)) is not None:
                weight.assign(weight + rng.normal(scale=0.1, size=weight.shape))
    expected, wrong = (keras.ops.convert_to_numpy(model(images)) for model in (teacher, student))
    refit(graph, slim_layers, found, kept, images)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(student(images)), expected, atol=2e-3 * scale)
    assert np.abs(wrong - expected).max() > 0.05 * scale
