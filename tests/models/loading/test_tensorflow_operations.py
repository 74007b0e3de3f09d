"""Functions of TensorFlow in `keras.ops` compute what TensorFlow does."""

import numpy as np
import pytest

from dfkd_keras.models.loading.tensorflow_operations import FUNCTIONS, TensorFlowOperation
from dfkd_keras.utils.errors import InvalidInputError

tf = pytest.importorskip("tensorflow")
ARGUMENTS = {
    "cast": {"dtype": "int32"},
    "clip_by_value": {"clip_value_min": 0.2, "clip_value_max": 0.7},
    "expand_dims": {"axis": 1},
    "image.resize": {"size": [2, 5]},
    "math.reduce_max": {"axis": [1, 2]},
    "math.reduce_mean": {"axis": -1, "keepdims": True},
    "math.reduce_sum": {"axis": [1, 2]},
    "nn.bias_add": {"bias": [1.0, 2.0, 3.0], "data_format": "NHWC"},
    "nn.gelu": {"approximate": True},
    "nn.leaky_relu": {"alpha": 0.3},
    "reshape": {"shape": [-1, 6]},
    "transpose": {"perm": [0, 3, 1, 2]},
}
OF_TWO = ("add", "divide", "maximum", "minimum", "multiply", "pow", "subtract", "truediv")


def of_tensorflow(name):
    found = tf
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"__operators__.add", "__operators__.getitem"}))
def test_functions(rng, name):
    images = rng.uniform(0.1, 1.0, (2, 4, 3, 3)).astype("float32")
    if name == "squeeze":
        images = images[:, :1]
    arguments = ARGUMENTS.get(name, {})
    inputs, first = (images,), {"tensor": 0}
    if name in ("concat", "stack"):
        inputs, first, arguments = (images, images + 1), [{"tensor": 0}, {"tensor": 1}], {"axis": -1}
    elif name.removeprefix("math.") in OF_TWO:
        inputs, arguments = (images, images[:, :1]), {"y": {"tensor": 1}}
    layer = TensorFlowOperation(name, first, arguments, "operation")
    filled = {key: inputs[1] if isinstance(value, dict) else value for key, value in arguments.items()}
    expected = of_tensorflow(name)(list(inputs) if isinstance(first, list) else images, **filled)
    np.testing.assert_allclose(layer(*inputs), expected, atol=1e-6)
    again = TensorFlowOperation.from_config(layer.get_config())
    np.testing.assert_allclose(again(*inputs), expected, atol=1e-6)


def test_slices(rng):
    images = rng.uniform(size=(2, 4, 3, 3)).astype("float32")
    spec = [{"start": None, "stop": None, "step": None}, {"start": 1, "stop": 3, "step": None}, 0]
    layer = TensorFlowOperation("__operators__.getitem", {"tensor": 0}, {"slice_spec": spec})
    np.testing.assert_array_equal(layer(images), images[:, 1:3, 0])


def test_an_unknown_function_is_told():
    with pytest.raises(InvalidInputError, match=r"layer 'x' that applies tf\.linalg\.svd, which is none of the known"):
        TensorFlowOperation("linalg.svd", {"tensor": 0}, {}, "x")
