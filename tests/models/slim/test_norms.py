import keras
import numpy as np
from keras import layers

from dfkd_keras.models.slim import slim
from dfkd_keras.models.slim.graph import read_graph
from dfkd_keras.models.slim.groups import dependencies
from dfkd_keras.models.slim.norms import with_statistics_of
from tests.models.slim.networks import network, random_images, residual


def test_channels_have_the_mean_and_the_variance_of_the_data_on_any_images():
    teacher, images = network(residual), 3.0 * random_images(100) + 5.0
    graph = read_graph(teacher)
    adapted, _ = with_statistics_of(images, graph, dependencies(graph, graph.shapes(images)))
    (norm,) = (layer for layer in teacher.layers if isinstance(layer, layers.BatchNormalization))
    for call, values in adapted.run(images):
        if isinstance(call.operation, layers.BatchNormalization):
            made = np.array(values[call.outputs[0]])
    np.testing.assert_allclose(made.mean((0, 1, 2)), np.array(norm.beta), atol=1e-4)
    np.testing.assert_allclose(made.std((0, 1, 2)), np.abs(np.array(norm.gamma)), rtol=0.02)


def test_the_student_has_the_statistics_of_the_data():
    teacher, images = network(residual), 3.0 * random_images(100) + 5.0
    student = slim(teacher, images, width=1.0)
    for model in (teacher, student):
        (norm,) = (layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
        assert np.abs(np.array(norm.moving_mean)).max() < 0.2
    others = random_images()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(student(others)), keras.ops.convert_to_numpy(teacher(others)), atol=1e-5
    )
