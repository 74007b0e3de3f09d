import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.slim.patches import draw_places, kernel_rows, rows_at

CASES = [
    (layers.Dense(3), (5,)),
    (layers.Dense(3), (4, 5)),
    (layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (9, 2)),
    (layers.Conv2D(3, (3, 2), strides=(2, 1)), (7, 6, 2)),
    (layers.Conv2D(3, 3, strides=2, padding="same"), (8, 7, 2)),
    (layers.Conv2D(3, (5, 3), dilation_rate=2, padding="same"), (9, 8, 2)),
    (layers.Conv3D(3, 2, padding="same"), (3, 4, 5, 2)),
    (layers.Conv1DTranspose(3, 2, strides=3, padding="same"), (5, 2)),
    (layers.Conv2DTranspose(3, (4, 3), strides=2, padding="same"), (5, 4, 2)),
    (layers.Conv2DTranspose(3, (3, 5), strides=(2, 3)), (5, 4, 2)),
    (layers.Conv2DTranspose(3, 3, dilation_rate=2), (5, 4, 2)),
    (layers.SeparableConv1D(3, 3, padding="same", depth_multiplier=2), (9, 2)),
    (layers.SeparableConv2D(3, 3, strides=2, padding="same", depth_multiplier=2), (8, 7, 2)),
]


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda case: getattr(case, "name", None))
def test_rows_times_the_kernel_are_the_outputs_of_the_layer(layer, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *shape)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(x))
    places = draw_places(expected.shape, 20, rng)
    assert len(places[0]) == min(20, np.prod(expected.shape[:-1])) and (np.diff(places[0]) >= 0).all()
    np.testing.assert_allclose(rows_at(layer, x, places) @ kernel_rows(layer), expected[tuple(places)], atol=1e-5)
