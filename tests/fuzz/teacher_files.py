"""Teachers in files of all formats, damaged as bytes, as archives, or in their JSON."""

import contextlib
import functools
import importlib.util
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import h5py
import numpy as np

from dfkd_keras.models.loading import hdf5
from dfkd_keras.teacher.loading import load_teacher
from tests.fault.test_teacher_files import SHAPE, onnx_file, rezipped, write_teachers
from tests.fuzz import json_values
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import chance, damaged, pick, replace_by_special, several

SHARE = 6
TRIAL_SECONDS = 4.0  # after which a file counts as one that HDF5's library reads without end
NEEDS = {"m.onnx": ("onnx", "onnxruntime"), "m.tflite": ("ai_edge_litert",)}
NAMES = [
    name
    for name in ("m.keras", "m.keras", "m.onnx", "m.tflite", "m.json", "old.h5", "m.h5", "exported")
    if all(map(importlib.util.find_spec, NEEDS.get(name, ())))
]


_kept = tempfile.TemporaryDirectory(prefix="fuzz-whole-")  # which is removed when the process ends


@functools.cache
def whole():
    """Returns a folder with a small teacher in each format, and what it answers to `images()`."""
    folder = Path(_kept.name)
    write_teachers(folder)
    if "m.onnx" in NAMES:
        onnx_file(folder / "m.onnx")
    return folder


@functools.cache
def images():
    return np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype("float32")


@functools.cache
def expected(name):
    """Returns what the whole file's teacher answers."""
    return np.asarray(load_teacher(str(whole() / name), **_options(whole(), name))(images()))


def case(rng, folder):
    name = pick(rng, NAMES)
    path, change = folder / name, pick(rng, CHANGES)
    (shutil.copytree if name == "exported" else shutil.copy)(whole() / name, path)
    if name == "m.json":
        shutil.copy(whole() / "m.h5", folder)
    is_changed = change(rng, path)
    is_same = not is_changed or (change is _in_bytes and name == "m.keras")  # whose members have checksums
    if is_special := chance(rng, 0.02) and name != "exported":
        replace_by_special(rng, path)
    if chance(rng, 0.1):
        path = path.rename(folder / pick(rng, ["-m", "teacher\n", "%s{}.txt", "ä ö.h5.keras", "m.zip"]))
    answers, options = expected(name) if is_same else None, _options(folder, name)
    is_whole = not is_changed and not is_special
    return Case(lambda: _attempt(path, options, answers), (repr(str(path)), "--weights"), is_whole)


def _options(folder, name):
    return {"weights": str(folder / "m.h5")} if name == "m.json" else {}


def _attempt(path, options, answers):
    with mock.patch.object(hdf5, "TRIAL_SECONDS", TRIAL_SECONDS):
        model = load_teacher(str(path), **options)
    shape = model.input_shape[1:]
    expect(len(model.outputs) == 1 and len(model.outputs[0].shape) in (2, 4), f"outputs {model.outputs}")
    expect(all(np.isfinite(array).all() for array in model.get_weights()), "weights that are not finite")
    if answers is not None:
        expect(shape == SHAPE and np.allclose(model(images()), answers, atol=1e-5), "other answers than before")
    elif None not in shape and np.prod(shape) < 10_000:
        expect(len(np.asarray(model(np.zeros((2, *shape), "float32")))) == 2, "as many outputs as images")


def _in_bytes(rng, path):
    """Damages a file as bytes, or one of a folder; returns whether it was."""
    file = pick(rng, sorted(each for each in path.rglob("*") if each.is_file())) if path.is_dir() else path
    before = content = file.read_bytes()
    for _ in several(rng, 2):
        content = damaged(rng, content)
    file.write_bytes(content)
    return content != before


def _in_json(rng, path):
    """Changes the architecture of a file that holds one; returns whether it was."""
    if path.suffix not in (".keras", ".h5", ".json"):
        return _in_bytes(rng, path)
    with _architecture(path) as holder:
        for _ in range(int(rng.integers(1, 3))):
            holder[0] = json_values.changed(rng, holder[0])
    return True


@contextlib.contextmanager
def _architecture(path):
    """Yields a list of the architecture in a file, and writes it back."""
    if path.suffix == ".json":
        yield (holder := [json.loads(path.read_text())])
        path.write_text(json.dumps(holder[0]))
    elif path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            yield (holder := [json.loads(file.attrs["model_config"])])
            file.attrs["model_config"] = json.dumps(holder[0])
    else:
        content = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            yield (holder := [json.loads(archive.read("config.json"))])
        rezipped(content, path, [("config.json", json.dumps(holder[0]))])


def _in_members(rng, path):
    """Damages, removes or adds a member of an archive; returns whether it was."""
    if path.suffix != ".keras":
        return _in_bytes(rng, path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        name = pick(rng, archive.namelist())
        changed = None if chance(rng, 0.2) else damaged(rng, archive.read(name))
    added = [("../up", b""), ("assets/x", b"x"), (name, b""), ("config.json/x", b"")]
    rezipped(content, path, [(name, changed)], [pick(rng, added)] if chance(rng, 0.2) else [])
    return True


def _in_weights(rng, path):
    """Replaces an array of an HDF5 file; returns whether it was."""
    if path.suffix != ".h5":
        return _in_members(rng, path)
    with h5py.File(path, "a") as file:
        names = []
        file.visititems(lambda name, part: names.append(name) if isinstance(part, h5py.Dataset) else None)
        old = file[name := pick(rng, names)][()]
        del file[name]
        new = [old * np.nan, old[:-1], old[None], old.astype("int8"), old.astype("S"), old.astype("f2"), np.float32(1)]
        file[name] = pick(rng, new)
    return True


CHANGES = (_in_weights, _in_bytes, _in_json, _in_members)
