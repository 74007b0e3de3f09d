"""Damaged and hostile teacher files: each ends in one line that names the file, and leaves nothing behind."""

import base64
import io
import json
import marshal
import os
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from tests.models.loading.legacy_files import layer, random_weights, write_model

tf = pytest.importorskip("tensorflow")
SHAPE = (4, 4, 1)
HUGE = 10**12


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a whole file of each format, by its name."""
    folder = tmp_path_factory.mktemp("whole")
    write_teachers(folder)
    onnx_file(folder / "m.onnx")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write_teachers(folder):
    """Writes a small teacher in each format that needs no further package."""
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(3)])
    model.save(folder / "m.keras")
    model.save(folder / "m.h5")
    (folder / "m.json").write_text(model.to_json())
    config = [layer("Flatten", "flat", batch_input_shape=[None, *SHAPE]), layer("Dense", "dense", output_dim=3)]
    weights = random_weights({"dense": {"dense_W": (16, 3), "dense_b": (3,)}})
    write_model(folder / "old.h5", {"class_name": "Sequential", "config": config}, weights)
    (folder / "m.tflite").write_bytes(litert(model, folder))


def litert(model, folder):
    model.export(folder / "exported", verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported")).convert()


def onnx_file(path):
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(*each) for each in (("x", 1, (1, *SHAPE)), ("y", 1, (1, 16)))]
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "g", values[:1], values[1:])
    assert TensorProto.FLOAT == 1
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working folder, which must still be empty at the end."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield tmp_path
    assert not list(folder.iterdir())


def told(path, **options):
    """Returns the line that a file is refused with; None if it is read."""
    before = sorted(path.parent.iterdir())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_teacher(str(path), **options)
    except DFKDError as error:
        line = str(error)
        assert "\n" not in line and str(path) in line and len(line) < 1000, line
        return line
    finally:
        assert sorted(path.parent.iterdir()) == before
    return None


def must_be_told(path, **options):
    line = told(path, **options)
    assert line is not None, f"{path.name} was read"
    return line


FORMATS = ["m.keras", "m.h5", "old.h5", "m.tflite", "m.onnx"]


@pytest.mark.parametrize("name", FORMATS)
def test_truncated_files(workplace, whole, name):
    content = whole[name]
    for length in {0, 1, 4, 8, 9, *(len(content) * part // 9 for part in range(1, 9)), len(content) - 1}:
        (workplace / name).write_bytes(content[:length])
        line = told(workplace / name)
        # What is cut off the end of a file may be padding.
        assert line is not None or length == len(content) - 1, length


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bytes(workplace, whole, name):
    """A flipped byte may leave a valid model; anything but a model or a line fails the test."""
    rng = np.random.default_rng(0)
    content = np.frombuffer(whole[name], np.uint8)
    for _ in range(14):
        damaged = content.copy()
        positions = rng.integers(0, min(len(content), 600), 3)
        damaged[positions] ^= rng.integers(1, 256, 3, dtype=np.uint8)
        (workplace / name).write_bytes(damaged.tobytes())
        told(workplace / name)


@pytest.mark.parametrize("start", [b"GIF89a", b"\x80\x04\x95", b"#!/bin/sh\n", b"\x00" * 64, b"<html>", b"\xff\xfe{"])
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.onnx", "m"])
def test_files_of_something_else(workplace, start, name):
    (workplace / name).write_bytes(start + b"rest of it" * 10)
    assert "may be damaged; give .keras" in must_be_told(workplace / name)


def test_empty_files_folders_and_pipes(workplace):
    (workplace / "empty.keras").touch()
    (workplace / "folder.keras").mkdir()
    os.mkfifo(workplace / "pipe.keras")
    (workplace / "nowhere.keras").symlink_to("nothing")
    (workplace / "circle.keras").symlink_to("circle.keras")
    assert "is empty" in must_be_told(workplace / "empty.keras")
    assert "holds no saved_model.pb" in must_be_told(workplace / "folder.keras")
    assert "is no regular file" in must_be_told(workplace / "pipe.keras")
    assert "does not exist" in must_be_told(workplace / "nowhere.keras")
    assert "does not exist" in must_be_told(workplace / "circle.keras")


def rezipped(content, path, replaced=(), added=()):
    """Writes an archive with members replaced, removed (None) or added."""
    replaced = dict(replaced)
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if replaced.get(name, b"") is not None:
                target.writestr(name, replaced.get(name, source.read(name)))
        for name, data in added:
            target.writestr(name, data)


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil_of_dfkd", "assets/../../evil", "..\\evil", "a/b/../../../evil", "\\evil"]
)
def test_members_outside_the_archive(workplace, whole, name):
    rezipped(whole["m.keras"], workplace / "m.keras", added=[(name, b"code"), ("assets/other", b"")])
    assert "lies outside the archive" in must_be_told(workplace / "m.keras")
    assert not os.path.exists("/tmp/evil_of_dfkd") and not (workplace / "evil").exists()


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"null", b"\xff" * 50, b'{"class_name": "Sequential"}'])
def test_members_that_are_missing_or_nonsense(workplace, whole, member, content):
    rezipped(whole["m.keras"], workplace / "m.keras", [(member, content)])
    must_be_told(workplace / "m.keras")


def test_a_decompression_bomb(workplace, whole):
    rezipped(whole["m.keras"], workplace / "m.keras")
    with zipfile.ZipFile(workplace / "m.keras", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(2**27))
    assert "damaged or hostile" in must_be_told(workplace / "m.keras")


def dense_config(content, **changes):
    """Returns the configuration inside a `.keras` file with changes to its dense layer."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1]["config"].update(changes)
    return config


@pytest.mark.parametrize("units", [HUGE, 2**62, 10**30, 10**9, -1, 0, 1.5, "many", None, True, [3], {}])
def test_declared_sizes_that_cannot_be(workplace, whole, units):
    config = dense_config(whole["m.keras"], units=units)
    config["config"].pop("build_input_shape", None)
    rezipped(whole["m.keras"], workplace / "m.keras", [("config.json", json.dumps(config))])
    line = must_be_told(workplace / "m.keras")
    if units in (HUGE, 10**9):
        assert "declares weights of the shape" in line and "damaged or hostile" in line
    old = [layer("Flatten", "flat", batch_input_shape=[None, *SHAPE]), layer("Dense", "dense", output_dim=units)]
    weights = random_weights({"dense": {"dense_W": (16, 3), "dense_b": (3,)}})
    write_model(workplace / "old.h5", {"class_name": "Sequential", "config": old}, weights)
    must_be_told(workplace / "old.h5")
    (workplace / "m.json").write_text(json.dumps(config))
    must_be_told(workplace / "m.json", weights=str(workplace / "old.h5"))


@pytest.mark.parametrize("size", [HUGE, -3, "wide", None, 1.5, [4]])
def test_declared_images_that_cannot_be(workplace, size):
    config = [layer("Flatten", "flat", batch_input_shape=[None, size, 4, 1]), layer("Dense", "dense", units=3)]
    weights = random_weights({"dense": {"dense_W": (16, 3), "dense_b": (3,)}})
    write_model(workplace / "old.h5", {"class_name": "Sequential", "config": config}, weights)
    must_be_told(workplace / "old.h5")


def lambda_layer(path):
    """Returns a Lambda layer whose code would leave a file behind."""
    code = compile(f"lambda x: open({str(path)!r}, 'w') and x", "lambda", "eval").co_consts[0]
    text = base64.b64encode(marshal.dumps(code)).decode()
    return {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}, [text, None, None]


def test_code_is_not_run(workplace, whole):
    modern, old = lambda_layer(workplace / "workplace" / "ran")
    config = dense_config(whole["m.keras"])
    entry = {"module": "keras.layers", "class_name": "Lambda", "registered_name": None}
    config["config"]["layers"].append({**entry, "config": {"name": "code", "function": modern, "arguments": {}}})
    rezipped(whole["m.keras"], workplace / "m.keras", [("config.json", json.dumps(config))])
    assert "holds code in a Lambda layer" in must_be_told(workplace / "m.keras")
    layers_of_old = [
        layer("Lambda", "code", batch_input_shape=[None, *SHAPE], function=old, function_type="lambda"),
        layer("Flatten", "flat"),
    ]
    write_model(workplace / "old.h5", {"class_name": "Sequential", "config": layers_of_old}, {})
    assert "holds code in a Lambda layer" in must_be_told(workplace / "old.h5")
    (workplace / "m.json").write_text(json.dumps({"class_name": "Sequential", "config": layers_of_old}))
    assert "holds code in a Lambda layer" in must_be_told(workplace / "m.json", weights=str(workplace / "old.h5"))


@pytest.mark.parametrize(
    ("module", "class_name"),
    [("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("keras.utils", "get_file"), ("keras", "config")],
)
def test_names_of_other_modules_are_not_called(workplace, whole, module, class_name):
    config = dense_config(whole["m.keras"])
    called = {"module": module, "class_name": class_name, "config": {"command": "touch ran"}, "registered_name": None}
    config["config"]["layers"].append(called)
    rezipped(whole["m.keras"], workplace / "m.keras", [("config.json", json.dumps(config))])
    must_be_told(workplace / "m.keras")


@pytest.mark.parametrize("bomb", ["[" * 10**5, '{"a":' * 10**5, "[" * 900 + "]" * 900, '"' + "x" * 10**6, "{}", "[]"])
def test_json_of_nonsense(workplace, whole, bomb):
    (workplace / "old.h5").write_bytes(whole["old.h5"])
    (workplace / "m.json").write_text(bomb)
    must_be_told(workplace / "m.json", weights=str(workplace / "old.h5"))
    rezipped(whole["m.keras"], workplace / "m.keras", [("config.json", bomb)])
    must_be_told(workplace / "m.keras")


def test_models_within_models_without_end(workplace):
    config = layer("Flatten", "flat", batch_input_shape=[None, *SHAPE])
    for depth in range(300):
        config = {"class_name": "Sequential", "config": {"name": f"s{depth}", "layers": [config]}}
    write_model(workplace / "old.h5", config, {})
    told(workplace / "old.h5")


def change_h5(path, change):
    with h5py.File(path, "a") as file:
        change(file)


def external_link(file):
    del file["model_weights/dense/dense_W"]
    file["model_weights/dense/dense_W"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file):
    del file["model_weights/dense/dense_W"]
    file["model_weights/dense/dense_W"] = h5py.SoftLink("/model_weights/dense/dense_b")


def external_data(file):
    del file["model_weights/dense/dense_W"]
    parts = [("/etc/passwd", 0, 192)]
    file["model_weights/dense"].create_dataset("dense_W", (16, 3), "f4", external=parts)


def bomb(file):
    del file["model_weights/dense/dense_W"]
    file["model_weights/dense"].create_dataset("dense_W", (HUGE // 16, 16), "f4", chunks=(1024, 16), compression="gzip")


def of_strings(file):
    del file["model_weights/dense/dense_W"]
    file["model_weights/dense"]["dense_W"] = np.full((16, 3), b"1.0")


@pytest.mark.parametrize(
    "change",
    [
        external_link,
        soft_link,
        external_data,
        bomb,
        of_strings,
        lambda file: file.attrs.pop("model_config"),
        lambda file: file.attrs.update(model_config=b"\xff\xfe"),
        lambda file: file.attrs.update(model_config=3),
        lambda file: file.attrs.update(model_config="null"),
        lambda file: file.pop("model_weights"),
        lambda file: file["model_weights"].pop("dense"),
        lambda file: file["model_weights/dense"].pop("dense_b"),
        lambda file: file["model_weights"].attrs.pop("layer_names"),
        lambda file: file["model_weights"].attrs.update(layer_names=7),
        lambda file: file["model_weights"].attrs.update(layer_names=[b"../dense"]),
        lambda file: file["model_weights/dense"].attrs.update(weight_names=[b"/", b""]),
    ],
)
def test_hdf5_files_with_other_content(workplace, whole, change):
    (workplace / "old.h5").write_bytes(whole["old.h5"])
    change_h5(workplace / "old.h5", change)
    assert "passwd" not in must_be_told(workplace / "old.h5")


@pytest.mark.parametrize("behavior", ["import os; os.kill(os.getpid(), 11)", "while True: pass"])
def test_files_that_crash_the_library_or_never_end(workplace, whole, monkeypatch, behavior):
    monkeypatch.setattr("dfkd_keras.models.loading.hdf5.TRIAL", behavior)
    monkeypatch.setattr("dfkd_keras.models.loading.hdf5.TRIAL_SECONDS", 0.5)
    (workplace / "m.h5").write_bytes(whole["m.h5"])
    assert "crashes or hangs: it is damaged" in must_be_told(workplace / "m.h5")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(workplace, whole, value):
    (workplace / "old.h5").write_bytes(whole["old.h5"])
    change_h5(
        workplace / "old.h5", lambda file: file["model_weights/dense/dense_b"].write_direct(np.full(3, value, "f4"))
    )
    assert "not finite, first in 'sequential" in must_be_told(workplace / "old.h5")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with a SavedModel."""
    folder = tmp_path_factory.mktemp("exported") / "m"
    keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(3)]).export(folder, verbose=False)
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "saved_model.pb").write_bytes(b""),
        lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff" * 99),
        lambda folder: os.truncate(folder / "saved_model.pb", 700),
        lambda folder: (folder / "variables" / "variables.index").unlink(),
        lambda folder: (folder / "variables" / "variables.index").write_bytes(b"nonsense"),
        lambda folder: (folder / "variables" / "variables.data-00000-of-00001").unlink(),
        lambda folder: os.truncate(folder / "variables" / "variables.data-00000-of-00001", 9),
    ],
)
def test_savedmodels_with_damage(workplace, exported, damage):
    import shutil

    shutil.copytree(exported, workplace / "m")
    damage(workplace / "m")
    must_be_told(workplace / "m")


@pytest.mark.parametrize("path", ["", "\0", "no such:thing", "a" * 5000, "http://", "http://localhost:1/v1/models/m"])
def test_paths_that_are_none(workplace, monkeypatch, path):
    monkeypatch.setattr("dfkd_keras.teacher.served_model.DEADLINE_SECONDS", 0.1)
    with pytest.raises(DFKDError) as error:
        load_teacher(path)
    assert "\n" not in str(error.value)


def test_weights_that_are_no_weights(workplace, whole):
    for name in ("m.json", "m.keras", "m.onnx"):
        (workplace / name).write_bytes(whole[name])
    for name in ("m.json", "m.keras", "m.onnx"):
        with pytest.raises(InvalidInputError, match="has to be an HDF5 file"):
            load_teacher(str(workplace / "m.json"), weights=str(workplace / name))
    assert "name their file, such as --weights=model.h5" in must_be_told(workplace / "m.json")
