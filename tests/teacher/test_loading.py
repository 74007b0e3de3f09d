"""One small network in every format: what is loaded computes what was saved."""

import contextlib
import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.teacher.black_box import outputs_only
from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError, ServerError, ServerTimeoutError
from tests.models.loading.legacy_files import layer, random_weights, write_weights
from tests.teacher.rest_server import described, serving

tf = pytest.importorskip("tensorflow")
SHAPE = (6, 8, 3)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([layers.Input(SHAPE), *body, layers.Dense(5)])
    model.layers[1].set_weights([each + 0.1 for each in model.layers[1].get_weights()])
    return model


@pytest.fixture
def images(rng):
    return rng.uniform(size=(3, *SHAPE)).astype("float32")


def check(teacher, network, images, differentiable=True):
    assert teacher.input_shape == (None, *SHAPE) and teacher.output_shape == (None, 5)
    np.testing.assert_allclose(teacher(images), network(images), atol=1e-5)
    assert outputs_only(teacher) != differentiable
    if differentiable:
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(images))
            loss = tf.reduce_sum(teacher(x) ** 2)
        assert np.abs(tape.gradient(loss, x)).max() > 0


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5"])
@pytest.mark.parametrize("stored_as", [None, "teacher.bin", "teacher.h5", "teacher.keras"])
def test_files_of_keras_under_any_name(tmp_path, network, images, name, stored_as):
    network.save(tmp_path / name)
    path = (tmp_path / name).rename(tmp_path / stored_as) if stored_as else tmp_path / name
    check(load_teacher(str(path)), network, images)


def test_the_folder_with_the_content_of_a_keras_file(tmp_path, network, images):
    keras.saving.save_model(network, tmp_path / "folder", zipped=False)
    check(load_teacher(str(tmp_path / "folder")), network, images)


@pytest.mark.parametrize("weights", ["m.weights.h5", "m.h5", "weights.bin"])
@pytest.mark.parametrize("twice", [False, True], ids=["json", "json_in_json"])
def test_an_architecture_and_its_weights(tmp_path, network, images, weights, twice):
    text = network.to_json()
    (tmp_path / "m.json").write_text(json.dumps(text) if twice else text)
    network.save(tmp_path / "m.h5")
    network.save_weights(tmp_path / "m.weights.h5")
    (tmp_path / "weights.bin").write_bytes((tmp_path / "m.weights.h5").read_bytes())
    check(load_teacher(str(tmp_path / "m.json"), weights=str(tmp_path / weights)), network, images)


@pytest.mark.parametrize("keras_version", ["2.4.0", "1.2.2", None])
def test_an_old_architecture_and_its_weights(tmp_path, images, keras_version):
    config = [layer("Flatten", "flat", batch_input_shape=[None, *SHAPE]), layer("Dense", "dense", units=5)]
    weights = random_weights({"flat": {}, "dense": {"dense_W": (144, 5), "dense_b": (5,)}})
    text = {"class_name": "Sequential", "config": config, "keras_version": keras_version}
    (tmp_path / "m.json").write_text(json.dumps(text))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_weights(file, weights)
    teacher = load_teacher(str(tmp_path / "m.json"), weights=str(tmp_path / "weights.h5"))
    expected = images.reshape(3, -1) @ weights["dense"]["dense_W"] + weights["dense"]["dense_b"]
    np.testing.assert_allclose(teacher(images), expected, rtol=1e-5)


class Module(tf.Module):
    """A network as plain TensorFlow saves it."""

    def __init__(self, network):
        super().__init__()
        self.network, self.variables_of_network = network, [variable.value for variable in network.variables]


def save_signature(network, folder, shape, dtype="float32", name="classify", of=lambda x, network: network(x)):
    module, spec = Module(network), tf.TensorSpec(shape, dtype, name="pixels")
    function = tf.function(lambda pixels: {"scores": of(pixels, network)}, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={name: function})


@pytest.mark.parametrize("name", ["serving_default", "classify"])
@pytest.mark.parametrize("batch", [None, 1, 2])
def test_savedmodels_of_plain_tensorflow(tmp_path, network, images, name, batch):
    save_signature(network, tmp_path / "m", (batch, *SHAPE), name=name)
    check(load_teacher(str(tmp_path / "m")), network, images)


def test_savedmodels_that_keras_exports(tmp_path, network, images):
    network.export(tmp_path / "served" / "1", verbose=False)
    teacher = load_teacher(str(tmp_path / "served" / "1"))
    assert teacher.name == "served"
    check(teacher, network, images)


def test_a_savedmodel_with_channels_first_and_another_precision(tmp_path, network, images):
    def of(x, network):
        return tf.cast(network(tf.cast(tf.transpose(x, (0, 2, 3, 1)), "float32")), "float64")

    save_signature(network, tmp_path / "m", (None, 3, *SHAPE[:2]), "float64", of=of)
    check(load_teacher(str(tmp_path / "m")), network, images)


def test_a_savedmodel_of_bytes_gives_outputs_only(tmp_path, network, rng):
    save_signature(network, tmp_path / "m", (None, *SHAPE), "uint8", of=lambda x, net: net(tf.cast(x, "float32")))
    check(load_teacher(str(tmp_path / "m")), network, rng.integers(0, 256, (3, *SHAPE)).astype("float32"), False)


def test_a_savedmodel_that_does_not_know_its_images(tmp_path, network, images):
    def of(x, network):
        return network(tf.ensure_shape(x, (None, *SHAPE)))

    save_signature(network, tmp_path / "m", None, of=of)
    with pytest.raises(InvalidInputError, match=r"does not say what images it takes.*--image_shape"):
        load_teacher(str(tmp_path / "m"))
    check(load_teacher(str(tmp_path / "m"), image_shape=SHAPE), network, images)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_litert_files(tmp_path, network, images, precision):
    network.export(tmp_path / "m", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"))
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    teacher = load_teacher(str(tmp_path / "m.tflite"))
    if precision == "float32":
        check(teacher, network, images, differentiable=False)
    np.testing.assert_allclose(teacher(images), network(images), atol=0.05)


def onnx_file(path, shape, outputs=("scores",), dtype="FLOAT", ir_version=8):
    """Writes an ONNX file that returns the means over pixels of each channel, a multiple of them for each output."""
    import onnx
    from onnx import TensorProto, helper

    kind, axes = getattr(TensorProto, dtype), [2, 3] if shape[1] == 3 else [1, 2]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=axes, keepdims=0),
    ]
    for number, name in enumerate(outputs, 1):
        factor = helper.make_tensor(f"factor_{name}", TensorProto.FLOAT, (), [float(number)])
        nodes += [helper.make_node("Constant", [], [f"c_{name}"], value=factor)]
        nodes += [helper.make_node("Mul", ["mean", f"c_{name}"], [name])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (None, 3)) for name in outputs]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("pixels", kind, shape)], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir_version)
    onnx.save(model, str(path))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (("batch", *SHAPE), {}),
        ((1, *SHAPE), {}),
        ((2, 3, *SHAPE[:2]), {}),
        (("n", 3, "height", "width"), {"image_shape": SHAPE}),
        ((1, "height", "width", 3), {"image_shape": SHAPE}),
    ],
)
def test_onnx_files(tmp_path, images, shape, options):
    onnx_file(tmp_path / "m.onnx", shape)
    teacher = load_teacher(str(tmp_path / "m.onnx"), **options)
    assert teacher.input_shape == (None, *SHAPE) and outputs_only(teacher)
    np.testing.assert_allclose(teacher(images), images.mean(axis=(1, 2)), atol=1e-5)
    if options:
        with pytest.raises(InvalidInputError, match=r"m\.onnx' takes images of the shape .*--image_shape"):
            load_teacher(str(tmp_path / "m.onnx"))


def test_onnx_files_that_tf2onnx_writes(tmp_path, network, images):
    from dfkd_keras.export import ServedStudent
    from dfkd_keras.export.onnx import write_onnx

    write_onnx(ServedStudent(network), tmp_path / "m.onnx")
    teacher = load_teacher(str(tmp_path / "m.onnx"))
    pixels = np.rint(255 * images)
    np.testing.assert_allclose(teacher(pixels), network(pixels / 255), atol=1e-5)
    chances = load_teacher(str(tmp_path / "m.onnx"), output="probabilities")(pixels)
    np.testing.assert_allclose(np.sum(chances, axis=-1), 1.0, atol=1e-5)


def test_onnx_files_of_integers_with_several_outputs(tmp_path, rng):
    onnx_file(tmp_path / "m.onnx", (1, *SHAPE), ("a", "b"), "UINT8")
    images = rng.integers(0, 256, (3, *SHAPE)).astype("float32")
    teacher = load_teacher(str(tmp_path / "m.onnx"), output="b")
    np.testing.assert_allclose(teacher(images + 0.3), 2 * images.mean(axis=(1, 2)), rtol=1e-5)
    with pytest.raises(InvalidInputError, match=r"m\.onnx' has the outputs a, b: .*--output=a"):
        load_teacher(str(tmp_path / "m.onnx"))


@pytest.fixture
def my_models(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        "import keras\n"
        "def mean(images):\n    return images.mean(axis=(1, 2))\n"
        "def both(images, factor=2.0):\n    return {'logits': factor * images.mean(axis=(1, 2)), 'other': 0}\n"
        "model = keras.Sequential([keras.layers.Input((6, 8, 3)), keras.layers.GlobalAveragePooling2D()])\n"
        "def make():\n    return model\n"
        "def make_function():\n    return mean\n"
        "def failing():\n    raise KeyError('inside')\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "black", "factor"),
    [("mean", True, 1), ("both", True, 2), ("make_function", True, 1), ("model", False, 1), ("make", False, 1)],
)
def test_python_functions_and_models(my_models, images, name, black, factor):
    teacher = load_teacher(f"my_models:{name}", image_shape=SHAPE)
    assert outputs_only(teacher) == black
    np.testing.assert_allclose(teacher(images), factor * images.mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("my_models:mean", r"function 'my_models:mean' does not say what images it takes.*--image_shape"),
        ("my_models:number", "function 'my_models:number' is int, neither a function of images nor a Keras model"),
        ("my_models:nothing", "function 'my_models:nothing' does not exist: 'my_models' has no 'nothing'"),
        ("my_models:failing", r"function 'my_models:failing' fails \(KeyError: 'inside'\): mend it"),
        ("no_models:mean", r"function 'no_models:mean' .*ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_with_a_python_function_is_told(my_models, path, message):
    with pytest.raises(InvalidInputError, match=message) as told:
        load_teacher(path)
    assert "\n" not in str(told.value)


def means(rows):
    return np.asarray(rows, "float64").mean(axis=(1, 2)).tolist()


def test_a_served_model(rng):
    images = rng.uniform(size=(70, *SHAPE)).astype("float32")
    with serving(means) as server:
        teacher = load_teacher(server.url, image_shape=SHAPE)
        server.requests.clear()
        np.testing.assert_allclose(teacher(images), images.mean(axis=(1, 2)), atol=1e-5)
        assert [len(body["instances"]) for _, body in server.requests] == [64, 6]
    assert teacher.name == "digits" and outputs_only(teacher)


def test_a_served_model_tells_what_it_takes(rng):
    images = rng.integers(0, 256, (3, *SHAPE)).astype("float32")

    def function(rows):
        assert all(type(value) is int for value in np.asarray(rows, object).ravel())
        return [{"logits": mean, "class": 1} for mean in means(rows)]

    with serving(function, described("DT_UINT8", -1, *SHAPE)) as server:
        teacher = load_teacher(server.url + ":predict")
        np.testing.assert_allclose(teacher(images + 0.2), images.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    "url", ["http://", "http://host", "http://host/v1/models/", "https://host/models/m", "http:///v1/models/m"]
)
def test_urls_that_are_none_of_a_model(url):
    with pytest.raises(InvalidInputError, match=r"is no URL of a served model: give one such as http"):
        load_teacher(url)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(images, status):
    with serving(means) as server:
        teacher = load_teacher(server.url, image_shape=SHAPE)
        server.failures = [status, status]
        np.testing.assert_allclose(teacher(images), images.mean(axis=(1, 2)), atol=1e-5)


def test_what_is_wrong_with_a_served_model_is_told(monkeypatch):
    monkeypatch.setattr("dfkd_keras.teacher.served_model.DEADLINE_SECONDS", 0.3)
    with serving(means) as server:
        with pytest.raises(ServerError, match=r"answered HTTP 404: .*no such model"):
            load_teacher(server.url + "_other", image_shape=SHAPE)
        with pytest.raises(InvalidInputError, match=r"served model 'http.*digits' does not say what images it takes"):
            load_teacher(server.url)
        server.function = lambda rows: [1.0]
        with pytest.raises(ServerError, match="gave no prediction for each of 2 images"):
            load_teacher(server.url, image_shape=SHAPE)
    with pytest.raises(ServerTimeoutError, match=r"gave no answer within 0\.3 s .*check that the server runs"):
        load_teacher(server.url, image_shape=SHAPE)


def several(form):
    inputs = keras.Input(SHAPE)
    mean = layers.GlobalAveragePooling2D()(inputs)
    outputs = [layers.Dense(2, name="aux")(mean), layers.Dense(5, name="scores")(mean)]
    named = {"other": outputs[0], "logits": outputs[1]}
    return keras.Model(inputs, named if form == "dictionary" else outputs)


@pytest.mark.parametrize(
    ("form", "output", "classes"),
    [("list", "aux", 2), ("list", "scores", 5), ("list", "0", 2), ("list", "1", 5), ("dictionary", None, 5),
     ("dictionary", "other", 2), ("dictionary", "1", 2)],
)  # fmt: skip
def test_one_of_several_outputs_is_chosen(tmp_path, images, form, output, classes):
    model = several(form)
    model.save(tmp_path / "m.keras")
    teacher = load_teacher(str(tmp_path / "m.keras"), output=output)
    assert teacher.output_shape == (None, classes)
    of_model = model(images)
    expected = of_model[0 if classes == 2 else 1] if form == "list" else of_model["other" if classes == 2 else "logits"]
    np.testing.assert_allclose(teacher(images), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "message"),
    [(None, "has the outputs aux, scores: .*--output=aux"), ("2", "has no output '2', only aux, scores")],
)
def test_outputs_that_are_not_clear_are_told(tmp_path, output, message):
    several("list").save(tmp_path / "m.keras")
    with pytest.raises(InvalidInputError, match=message):
        load_teacher(str(tmp_path / "m.keras"), output=output)


@keras.saving.register_keras_serializable("test_loading")
class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.mean, self.dense = layers.GlobalAveragePooling2D(), layers.Dense(5)

    def call(self, images):
        return self.dense(self.mean(images))

    def get_config(self):
        return {}


def test_subclassed_models_tell_the_images_that_they_were_built_on(tmp_path, images):
    model = Subclassed()
    model(images)
    model.save(tmp_path / "m.keras")
    check(load_teacher(str(tmp_path / "m.keras")), model, images)


@pytest.mark.parametrize(
    ("input_shape", "body", "expected"),
    [
        ((6, 8), [layers.Flatten(), layers.Dense(5)], ((None, 6, 8), (None, 5))),
        ((None, None, 3), [layers.GlobalAveragePooling2D(keepdims=True)], ((None, None, None, 3), (None, 3))),
        (SHAPE, [layers.Conv2D(2, 1)], ((None, *SHAPE), (None, 6, 8, 2))),
        (SHAPE, [layers.Flatten(), layers.Dense(1)], ((None, *SHAPE), (None, 1))),
        ((144,), [layers.Dense(5)], ((None, 144), (None, 5))),
    ],
    ids=["no_channels", "1x1", "segmenter", "one_unit", "flat"],
)
def test_shapes_of_images_and_outputs(tmp_path, input_shape, body, expected, rng):
    model = keras.Sequential([layers.Input(input_shape), *body])
    model.save(tmp_path / "m.keras")
    teacher = load_teacher(str(tmp_path / "m.keras"), image_shape=SHAPE if len(input_shape) == 1 else None)
    assert (teacher.input_shape, teacher.output_shape) == expected
    images = rng.uniform(size=(2, *(size or 4 for size in expected[0][1:]))).astype("float32")
    outputs = model(images.reshape(2, *(size or 4 for size in input_shape)))
    np.testing.assert_allclose(teacher(images), np.reshape(outputs, teacher(images).shape), atol=1e-5)


def test_gradients_pass_to_the_images_of_a_model_that_takes_bytes(tmp_path, rng):
    model = keras.Sequential([layers.Input(SHAPE, dtype="uint8"), layers.Rescaling(1 / 255), layers.Flatten(),
                              layers.Dense(5)])  # fmt: skip
    model.save(tmp_path / "m.keras")
    check(load_teacher(str(tmp_path / "m.keras")), model, rng.integers(0, 256, (3, *SHAPE)).astype("float32"))


def two_inputs():
    inputs = [keras.Input(SHAPE), keras.Input(SHAPE)]
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Add()(inputs)))


def stack(input_shape, *body):
    return lambda: keras.Sequential([layers.Input(input_shape), *body])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (two_inputs, {}, "has 2 inputs, and a teacher takes images alone"),
        (stack((145,), layers.Dense(5)), {}, "takes 145 values, which are no square image: give --image_shape"),
        (stack((144,), layers.Dense(5)), {"image_shape": (6, 8, 1)}, "takes 144 values, not images of the shape"),
        (stack(SHAPE, layers.Reshape((48, 3))), {}, r"returns float32 of the shape \(None, 48, 3\)"),
        (stack(SHAPE, layers.Flatten()), {"image_shape": (9, 8, 3)}, r"not \(9, 8, 3\): --image_shape"),
        (stack(SHAPE, layers.Flatten()), {"weights": "m.keras"}, r"--weights=m\.keras goes with the JSON"),
        (stack((3, 6, 8), layers.GlobalAveragePooling2D("channels_first")), {}, "'global.*' with channels first"),
    ],
)
def test_what_is_no_teacher_is_told(tmp_path, monkeypatch, make, options, message):
    monkeypatch.chdir(tmp_path)
    make().save("m.keras")
    with pytest.raises(InvalidInputError, match=message) as told:
        load_teacher("m.keras", **options)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "folder"])
def test_weights_that_are_not_finite_are_named(tmp_path, network, name, value):
    broken = keras.models.clone_model(network)
    weights = [np.full_like(each, value) if i == 3 else each for i, each in enumerate(network.get_weights())]
    broken.set_weights(weights)
    with contextlib.redirect_stdout(None):
        broken.export(tmp_path / name, verbose=False) if name == "folder" else broken.save(tmp_path / name)
    with pytest.raises(InvalidInputError, match=r"weights that are not finite, first in '.*beta(:0)?'"):
        load_teacher(str(tmp_path / name))


def test_a_missing_file_is_told():
    with pytest.raises(NotFoundError, match=r"model file 'none\.h5' does not exist: check the path"):
        load_teacher("none.h5")


def test_outputs_in_outputs_are_named_by_their_paths(tmp_path):
    images = keras.Input(SHAPE)
    logits, other = layers.Dense(4)(layers.Flatten()(images)), layers.Dense(2)(layers.Flatten()(images))
    keras.Model(images, {"head": {"logits": logits, "other": other}}).save(tmp_path / "named.keras")
    assert load_teacher(str(tmp_path / "named.keras")).output_shape == (None, 4)
    assert load_teacher(str(tmp_path / "named.keras"), output="head/other").output_shape == (None, 2)
    keras.Model(images, {"logits": logits, "aux": {"logits": other}}).save(tmp_path / "both.keras")
    assert load_teacher(str(tmp_path / "both.keras")).output_shape == (None, 4)
    keras.Model(images, [[logits], other]).save(tmp_path / "listed.keras")
    assert load_teacher(str(tmp_path / "listed.keras"), output="1").output_shape == (None, 2)
    with pytest.raises(InvalidInputError, match="has the outputs 0/0, 1: "):
        load_teacher(str(tmp_path / "listed.keras"))
