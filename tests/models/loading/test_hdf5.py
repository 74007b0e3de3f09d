import base64
import json
import marshal
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.models.loading.saved_model import saved_model
from dfkd_keras.utils.errors import InvalidInputError
from tests.models.loading.legacy_files import (
    called,
    functional,
    layer,
    modern,
    random_weights,
    write_model,
    write_weights,
)

SHAPE = [None, 8, 8, 2]
TRAINING_ONLY = {"kernel_initializer": {"class_name": "Zeros", "config": {"dtype": "float32"}}, "bias_constraint": None}


@pytest.fixture
def images(rng):
    return rng.uniform(size=(3, 8, 8, 2)).astype("float32")


def keras_2_layers():
    return [
        layer("Conv2D", "conv", batch_input_shape=SHAPE, filters=3, kernel_size=[3, 3], strides=[1, 1],
              padding="same", data_format="channels_last", activation="relu", use_bias=True, **TRAINING_ONLY),
        layer("BatchNormalization", "norm", axis=[3], momentum=0.99, epsilon=0.001, fused=True, renorm=False),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], padding="valid", strides=[2, 2]),
        layer("Dropout", "drop", rate=0.5, noise_shape=None, seed=None),
        layer("Flatten", "flat"),
        layer("Dense", "dense", units=4, activation="softmax_v2", dtype="float32"),
    ]  # fmt: skip


def keras_1_layers():
    old = {"init": "glorot_uniform", "W_regularizer": None, "b_constraint": None, "bias": True}
    return [
        layer("Convolution2D", "conv", batch_input_shape=SHAPE, input_dtype="float32", nb_filter=3, nb_row=3, nb_col=3,
              border_mode="same", subsample=[1, 1], dim_ordering="tf", activation="relu", **old),
        layer("BatchNormalization", "norm", mode=0, axis=-1, momentum=0.99, epsilon=0.001, gamma_regularizer=None),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], border_mode="valid", strides=[2, 2], dim_ordering="tf"),
        layer("Dropout", "drop", p=0.5),
        layer("Flatten", "flat"),
        layer("Dense", "dense", output_dim=4, activation="linear", input_dim=None, **old),
        layer("Activation", "softmax", activation="softmax"),
    ]  # fmt: skip


def names(kernel, bias, *statistics):
    shapes = {"conv": {f"conv{kernel}": (3, 3, 2, 3), f"conv{bias}": (3,)}}
    shapes |= {"norm": {f"norm{each}": (3,) for each in statistics}, "flat": {}}
    return shapes | {"dense": {f"dense{kernel}": (48, 4), f"dense{bias}": (4,)}}


KERAS_2 = names("/kernel:0", "/bias:0", "/gamma:0", "/beta:0", "/moving_mean:0", "/moving_variance:0")
KERAS_1 = names("_W", "_b", "_gamma", "_beta", "_running_mean", "_running_std")


def today():
    return [
        layers.Input(SHAPE[1:]),
        layers.Conv2D(3, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(4, activation="softmax"),
    ]


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras", ""])
@pytest.mark.parametrize(
    ("config", "shapes", "attributes"),
    [
        ({"name": "old", "layers": keras_2_layers()}, KERAS_2, {"keras_version": b"2.2.4", "backend": b"tensorflow"}),
        (keras_2_layers(), KERAS_2, {"keras_version": "2.0.6"}),
        (keras_1_layers(), KERAS_1, {"keras_version": "1.2.2"}),
        (keras_1_layers(), KERAS_1, {}),
    ],
    ids=["2.2", "2.0", "1.2", "1.0"],
)
def test_sequential_models_of_all_ages_compute_what_they_did(tmp_path, images, config, shapes, attributes, suffix):
    weights, path = random_weights(shapes), tmp_path / f"old{suffix}"
    write_model(path, {"class_name": "Sequential", "config": config}, weights, **attributes)
    model = saved_model(str(path))
    assert model.input_shape == (None, 8, 8, 2)
    np.testing.assert_allclose(model(images), modern(today(), weights)(images), atol=1e-6)


@pytest.mark.parametrize(
    ("class_name", "arguments", "modern_first"),
    [
        ("ZeroPadding2D", {"padding": [1, 2]}, lambda: layers.ZeroPadding2D((1, 2))),
        ("ZeroPadding2D", {"padding": [1, 2, 0, 1], "dim_ordering": "default"},
         lambda: layers.ZeroPadding2D(((1, 2), (0, 1)))),
        ("Rescaling", {"scale": 2.0, "offset": -1.0}, lambda: layers.Rescaling(2.0, -1.0)),
        ("LeakyReLU", {"alpha": 0.1}, lambda: layers.LeakyReLU(0.1)),
        ("ThresholdedReLU", {"theta": 0.5}, lambda: layers.ReLU(threshold=0.5)),
        ("AveragePooling2D", {"pool_size": [2, 2], "border_mode": "same"},
         lambda: layers.AveragePooling2D(2, padding="same")),
    ],
)  # fmt: skip
def test_the_first_layer_tells_the_shape_whether_it_has_weights_or_not(
    tmp_path, images, class_name, arguments, modern_first
):
    first = layer(class_name, "first", batch_input_shape=SHAPE, **arguments)
    config = [first, layer("GlobalAveragePooling2D", "mean"), layer("Dense", "dense", units=4)]
    weights = random_weights({"dense": {"dense/kernel:0": (2, 4), "dense/bias:0": (4,)}})
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, weights)
    rest = [layers.GlobalAveragePooling2D(), layers.Dense(4)]
    expected = modern([layers.Input(SHAPE[1:]), modern_first(), *rest], weights)
    np.testing.assert_allclose(saved_model(tmp_path / "m.h5")(images), expected(images), atol=1e-6)


@pytest.mark.parametrize(
    ("entry", "modern_layer", "shapes"),
    [
        (layer("DepthwiseConv2D", "x", kernel_size=[3, 3], groups=1, depthwise_initializer="zeros"),
         lambda: layers.DepthwiseConv2D(3), {"depthwise_kernel:0": (3, 3, 2, 1), "bias:0": (2,)}),
        (layer("SeparableConv2D", "x", filters=2, kernel_size=[3, 3], groups=1, kernel_initializer="zeros"),
         lambda: layers.SeparableConv2D(2, 3),
         {"depthwise_kernel:0": (3, 3, 2, 1), "pointwise_kernel:0": (1, 1, 2, 2), "bias:0": (2,)}),
        (layer("Conv2DTranspose", "x", filters=2, kernel_size=[2, 2], strides=[2, 2], groups=1, output_padding=None),
         lambda: layers.Conv2DTranspose(2, 2, 2), {"kernel:0": (2, 2, 2, 2), "bias:0": (2,)}),
        (layer("PReLU", "x", shared_axes=[1, 2], alpha_initializer="zeros"), lambda: layers.PReLU(shared_axes=[1, 2]),
         {"alpha:0": (1, 1, 2)}),
        (layer("Normalization", "x", axis=[-1], mean=None, variance=None), lambda: layers.Normalization(),
         {"mean:0": (2,), "variance:0": (2,), "count:0": ()}),
        (layer("TimeDistributed", "x", layer=layer("Dense", "inner", units=2, implementation=1)),
         lambda: layers.TimeDistributed(layers.Dense(2)), {"kernel:0": (2, 2), "bias:0": (2,)}),
    ],
    ids=lambda each: each["class_name"] if isinstance(each, dict) and "class_name" in each else "",
)  # fmt: skip
def test_layers_are_told_only_what_keras_3_knows(tmp_path, images, entry, modern_layer, shapes):
    weights = random_weights({"x": {f"x/{name}": shape for name, shape in shapes.items()}})
    if "x/count:0" in weights["x"]:
        weights["x"]["x/count:0"] = np.array(1)
    config = [layer("InputLayer", "images", batch_input_shape=SHAPE, sparse=False, ragged=False), entry]
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, weights, keras_version="2.3.1")
    reference = modern([layers.Input(SHAPE[1:]), modern_layer()], weights)
    if hasattr(reference.layers[0], "finalize_state"):
        reference.layers[0].finalize_state()
    np.testing.assert_allclose(saved_model(tmp_path / "m.h5")(images), reference(images), atol=1e-6)


def test_hard_sigmoid_keeps_the_slope_it_had(tmp_path):
    config = [layer("Activation", "hard", activation="hard_sigmoid", batch_input_shape=[None, 1, 5, 1])]
    config.append(layer("Flatten", "flat"))
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, {}, keras_version="2.4.0")
    x = np.array([-4.0, -2.0, 0.0, 1.0, 3.0], "float32")
    outputs = saved_model(tmp_path / "m.h5")(x.reshape(1, 1, 5, 1))
    np.testing.assert_allclose(outputs[0], np.clip(0.2 * x + 0.5, 0, 1), atol=1e-6)


def nested_config(frozen):
    """Returns a functional model with a nested one, whose nodes Keras 2 counted from 1, and its shapes of weights."""
    inner = [
        called(layer("InputLayer", "inner_input", batch_input_shape=SHAPE)),
        called(layer("BatchNormalization", "block/norm", axis=3), ("inner_input", 0)),
        called(layer("Conv2D", "block/conv", filters=2, kernel_size=[1, 1]), ("block/norm", 0)),
    ]
    for each in inner:
        each["config"]["trainable"] = not frozen
    inner = functional("base", inner, [("inner_input", 0)], [("block/conv", 0)])
    head = [layer("Dense", "hidden", units=3, batch_input_shape=[None, 2]), layer("Dense", "scores", units=4)]
    head = {"class_name": "Sequential", "config": {"name": "head", "layers": head}}
    outer = [
        called(layer("InputLayer", "images", batch_input_shape=SHAPE)),
        {"name": "base", "inbound_nodes": [[["images", 0, 0, {"training": False}]]], **inner},
        called(layer("Add", "sum"), ("images", 0), ("base", 1)),
        called(layer("GlobalAveragePooling2D", "mean"), ("sum", 0)),
        {"name": "head", "inbound_nodes": [[["mean", 0, 0, {}]]], **head},
    ]
    return functional("model", outer, [("images", 0)], [("head", 1)])


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("named", [True, False], ids=["by_name", "by_order"])
def test_nested_models_get_their_own_weights(tmp_path, images, frozen, named):
    learned, moving, convolution = ["gamma", "beta"], ["moving_mean", "moving_variance"], ["kernel", "bias"]
    # Keras saved what is trained first, and all of a frozen model layer by layer.
    order = [*learned, *moving, *convolution] if frozen else [*learned, *convolution, *moving]
    shapes = {each: (1, 1, 2, 2) if each == "kernel" else (2,) for each in order}
    paths = {each: f"block/{'conv' if each in convolution else 'norm'}/{each}:0" if named else each for each in order}
    base = {paths[each]: shapes[each] for each in (sorted(order) if named else order)}
    head = {"hidden/kernel:0": (2, 3), "hidden/bias:0": (3,), "scores/kernel:0": (3, 4), "scores/bias:0": (4,)}
    weights = random_weights({"base": base, "head": head})
    write_model(tmp_path / "m.h5", nested_config(frozen), weights, keras_version="2.4.0")
    value = {each: weights["base"][paths[each]] for each in order}
    deviation = np.sqrt(value["moving_variance"] + 1e-3)
    x = value["gamma"] * (images - value["moving_mean"]) / deviation + value["beta"]
    x = (images + x @ value["kernel"][0, 0] + value["bias"]).mean(axis=(1, 2))
    hidden_kernel, hidden_bias, kernel, bias = weights["head"].values()
    expected = (x @ hidden_kernel + hidden_bias) @ kernel + bias
    np.testing.assert_allclose(saved_model(tmp_path / "m.h5")(images), expected, atol=1e-5)


def test_tensorflow_functions_between_layers_are_applied(tmp_path, images):
    def function(name, class_name, tf_name, first, **arguments):
        config = {"name": name, "trainable": True, "dtype": "float32", "function": tf_name}
        node = [[*first, {**arguments, "name": None}]]
        return {"name": name, "class_name": class_name, "config": config, "inbound_nodes": node}

    flip = [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]
    config = functional(
        "model",
        [
            called(layer("InputLayer", "images", batch_input_shape=SHAPE)),
            function("flip", "SlicingOpLambda", "__operators__.getitem", ("images", 0, 0), slice_spec=flip),
            function("scale", "TFOpLambda", "math.truediv", ("flip", 0, 0), y=0.5),
            function("minus", "TFOpLambda", "math.subtract", ("_CONSTANT_VALUE", -1, 1.0), y=["scale", 0, 0]),
            function("sum", "TFOpLambda", "__operators__.add", ("minus", 0, 0), y=["images", 0, 0]),
            function("mean", "TFOpLambda", "math.reduce_mean", ("sum", 0, 0), axis=[1, 2]),
        ],
        [("images", 0)],
        [("mean", 0)],
        "Functional",
    )
    write_model(tmp_path / "m.h5", config, {}, keras_version="2.9.0")
    expected = (1.0 - images[..., ::-1] / 0.5 + images).mean(axis=(1, 2))
    model = saved_model(tmp_path / "m.h5")
    np.testing.assert_allclose(model(images), expected, atol=1e-6)
    model.save(tmp_path / "again.keras")
    np.testing.assert_allclose(saved_model(tmp_path / "again.keras")(images), expected, atol=1e-6)


def test_keras_archives_of_keras_2_are_read(tmp_path, images):
    model = modern(today(), random_weights(KERAS_2))
    model.save(tmp_path / "new.keras")
    old_layers = [each for each in keras_2_layers() if each["class_name"] != "Dropout"]
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "old", "layers": old_layers}}
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        old.writestr("config.json", json.dumps(config))
        old.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        old.writestr("model.weights.h5", new.read("model.weights.h5"))
    np.testing.assert_allclose(saved_model(tmp_path / "old.keras")(images), model(images), atol=1e-6)


def test_names_that_are_too_long_for_one_attribute_are_split(tmp_path, images):
    weights = random_weights(KERAS_2)
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": keras_2_layers()}, weights)
    with h5py.File(tmp_path / "m.h5", "a") as file:
        group = file["model_weights"]
        whole = group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = whole[:1], whole[1:]
        del group.attrs["layer_names"]
    np.testing.assert_allclose(saved_model(tmp_path / "m.h5")(images), modern(today(), weights)(images), atol=1e-6)


def damaged(change, tmp_path):
    """Returns a file of the Keras 1 model after a change of its layers, weights or attributes."""
    config, weights, attributes = keras_1_layers(), random_weights(KERAS_1), {}
    change(config, weights, attributes)
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, weights, **attributes)
    return tmp_path / "m.h5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, w, a: c[0]["config"].update(dim_ordering="th"), r"'conv' with channels first \('th'\)"),
        (lambda c, w, a: c[1]["config"].update(mode=2), "'norm' with mode=2, unknown to BatchNormalization"),
        (lambda c, w, a: c.insert(3, layer("Merge", "merge", mode="sum")), "Merge must be known: register it"),
        (lambda c, w, a: c.insert(3, layer("MaxoutDense", "maxout")), "MaxoutDense must be known.*--custom_objects"),
        (lambda c, w, a: w.pop("dense"), "weights for 2 layers, and the architecture has 3 with"),
        (lambda c, w, a: w["dense"].pop("dense_b"), "holds 1 weights for the layer 'dense', which has 2"),
        (lambda c, w, a: w["dense"].update(dense_b=np.ones(5)), r"dense/bias' in the shape \(5,\), not \(4,\)"),
        (lambda c, w, a: a.update(backend="theano"), "written on Theano"),
        (lambda c, w, a: c[6]["config"].update(activation="swoosh"), "swoosh must be known"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_told(tmp_path, change, message):
    with pytest.raises(InvalidInputError, match=message) as told:
        saved_model(damaged(change, tmp_path))
    assert str(told.value).startswith(f"model file '{tmp_path / 'm.h5'}' ") and "\n" not in str(told.value)


def test_weights_alone_are_told_to_be_so(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_weights(file, random_weights(KERAS_2))
    with pytest.raises(InvalidInputError, match=r"holds weights and no architecture.*--weights"):
        saved_model(tmp_path / "weights.h5")


def write_lambda(path):
    """Writes a model whose Lambda layer leaves a file behind when it is run."""
    source = f"lambda x: (open({str(path.with_name('ran'))!r}, 'w').close(), x * 2.0)[1]"
    code = base64.b64encode(marshal.dumps(compile(source, "lambda", "eval").co_consts[0])).decode()
    config = [
        layer("Lambda", "twice", batch_input_shape=SHAPE, function=[code, None, None], function_type="lambda",
              output_shape=None, output_shape_type="raw", arguments={}),
        layer("GlobalAveragePooling2D", "mean"),
    ]  # fmt: skip
    write_model(path, {"class_name": "Sequential", "config": config}, {}, keras_version="2.2.4")


def test_code_in_a_file_is_run_only_where_it_is_allowed(tmp_path, images):
    write_lambda(tmp_path / "m.h5")
    with pytest.raises(InvalidInputError, match=r"code in a Lambda layer; if you trust it.*--allow_code"):
        saved_model(tmp_path / "m.h5")
    assert not (tmp_path / "ran").exists()
    outputs = saved_model(tmp_path / "m.h5", safe_mode=False)(images)
    np.testing.assert_allclose(outputs, 2 * images.mean(axis=(1, 2)), atol=1e-6)


def test_own_layers_and_functions_come_from_a_module(tmp_path, images, monkeypatch):
    (tmp_path / "my_parts.py").write_text(
        "from keras.layers import Activation, GlobalAveragePooling2D, Layer\n"
        "class Twice(Layer):\n    def call(self, x):\n        return 2.0 * x\n"
        "def halved(x):\n    return x / 2.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = [
        layer("Activation", "half", batch_input_shape=SHAPE, activation="halved"),
        layer("Twice", "twice"),
        layer("GlobalAveragePooling2D", "mean"),
    ]
    write_model(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, {}, keras_version="2.2.4")
    with pytest.raises(InvalidInputError, match="Twice must be known"):
        saved_model(tmp_path / "m.h5")
    outputs = saved_model(tmp_path / "m.h5", custom_objects="my_parts")(images)
    np.testing.assert_allclose(outputs, images.mean(axis=(1, 2)), atol=1e-6)
    with pytest.raises(InvalidInputError, match=r"needs the module 'no_parts', which cannot be imported \(Module"):
        saved_model(tmp_path / "m.h5", custom_objects="no_parts")


def test_files_of_keras_3_are_left_to_keras(tmp_path, images):
    model = modern(today(), random_weights(KERAS_2))
    model.save(tmp_path / "m.h5")
    (tmp_path / "m.h5").rename(tmp_path / "m.model")
    again = saved_model(tmp_path / "m.model")
    np.testing.assert_array_equal(again(images), model(images))
    assert isinstance(again.layers[0].kernel_initializer, keras.initializers.GlorotUniform)
