import numpy as np
from keras import layers

from dfkd_keras.models.slim.graph import read_graph
from dfkd_keras.models.slim.groups import dependencies
from dfkd_keras.models.slim.ranking import Use, forward_selection, outgoing_weights, ranked_groups
from tests.models.slim.networks import network, perceptron, random_images, residual, squeeze_excite


def use(activations, weights):
    columns = np.arange(activations.shape[1])[None]
    made = Use(columns, weights, np.zeros(columns.shape), np.zeros((columns.size,) * 2))
    made.add(activations[:30])
    made.add(activations[30:])
    return made


def test_units_come_by_what_they_explain_and_repeated_ones_last(rng):
    independent = np.linalg.qr(rng.normal(size=(100, 4)))[0]
    independent -= independent.mean(0)
    activations = np.column_stack([independent[:, 0], 5 * independent[:, 1], independent[:, 2], 5 * independent[:, 1]])
    order, unexplained = forward_selection([use(activations, np.diag([3.0, 1.0, 1.0, 1.0]))], 4)
    assert order.tolist() == [1, 0, 2, 3]
    assert np.all(np.diff(unexplained) <= 1e-12) and unexplained[3] < 1e-9


def test_what_is_left_unexplained_is_the_error_of_least_squares(rng):
    activations = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6)) + 3.0
    weights = rng.normal(size=(6, 5))
    order, unexplained = forward_selection([use(activations, weights)], 6)
    outputs = (activations - activations.mean(0)) @ weights
    for count in range(1, 6):
        chosen = (activations - activations.mean(0))[:, order[:count]]
        left = outputs - chosen @ np.linalg.lstsq(chosen, outputs, rcond=None)[0]
        np.testing.assert_allclose(unexplained[count], np.sum(left**2) / np.sum(outputs**2), atol=1e-9)


def test_the_units_of_every_group_are_ranked():
    for body, sizes in ((perceptron, [16, 8]), (residual, [8, 8, 8]), (squeeze_excite, [8, 4])):
        graph, images = read_graph(network(body)), random_images(20)
        found = dependencies(graph, graph.shapes(images))
        rankings = ranked_groups(graph, found, images)
        assert sorted(len(ranking.units) for ranking in rankings) == sorted(sizes)
        for group, ranking in zip(found.groups, rankings, strict=True):
            assert sorted(ranking.units.tolist()) == group.tolist()


def test_the_weights_of_a_separable_convolution_are_those_of_the_convolution_that_it_equals(rng):
    teacher = network(separable)
    graph = read_graph(teacher)
    found = dependencies(graph, graph.shapes(random_images(2)))
    layer = teacher.get_layer("separable")
    depthwise, pointwise = np.array(layer.depthwise_kernel), np.array(layer.pointwise_kernel)[0, 0]
    full = np.einsum("ijcm,cmk->cijk", depthwise, pointwise.reshape(8, 2, 8)).reshape(8, -1)
    np.testing.assert_allclose(outgoing_weights(layer, found.layers[id(layer)]), full, atol=1e-6)


def separable(x, c):
    x = layers.SeparableConv2D(c, 3, depth_multiplier=2, name="separable")(layers.Conv2D(c, 3)(x))
    return layers.GlobalAveragePooling2D()(x)
