"""Arrays in `.npz` and `.npy` files: data sets, images to evaluate on, and images of requests."""

import io
import zipfile

import numpy as np

from dfkd_keras.data import array_dataset, image_folder, read_images
from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import chance, damaged, pick, replace_by_special, several

SHARE = 25
NAMES = ("data.npz", "data.npz", "data.npz", "bilder ä.npz", "line\nbreak.npz", "-rf.npz", "data", "%s{}.npz", "d.NPZ")
HEADERS = (
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 4, 4, 1), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 4, 4, 1), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (2.5, 4, 4, 1), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 4, 4, 1), }",
    "{'descr': '|u1', 'fortran_order': 3, 'shape': (3, 4, 4, 1), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (10000000000, 4, 4, 1), }",
    "{'descr': ('|u1', (4, 4, 1)), 'fortran_order': True, 'shape': (3,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3, 4, 4, 1), }",
    "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (3, 4, 4, 1), }",
    "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (3, 4, 4, 1), }",
    "__import__('os').system('touch ran')",
    "{" * 500,
    "",
)
DTYPES = ("float32", "float64", "int64", "int8", ">u2", "bool", "complex64", "O", "S4", "U4", "M8[s]", "uint64")


def case(rng, folder):
    reader, place = pick(rng, READERS), pick(rng, ["arrays", "members", "bytes"])
    arrays, changes = _valid(rng, reader), several(rng, 2)
    for _ in changes if place == "arrays" else ():
        pick(rng, CHANGES)(rng, arrays)
    path, content = _file(rng, folder, arrays, reader, place == "members" and changes)
    for _ in changes if place == "bytes" else ():
        content = damaged(rng, content)
    path.write_bytes(content)
    if is_special := chance(rng, 0.02):
        replace_by_special(rng, path)
    is_known = path.suffix != ".npy" or place != "bytes"  # a flipped byte of a .npy file is a value as good as any
    is_whole = not changes and not is_special and path.suffix in (".npz", ".npy")
    return Case(lambda: reader(path, arrays if is_known else {}), (repr(str(path)), "images have"), is_whole)


def _file(rng, folder, arrays, reader, is_changed):
    """Returns the path and the content of a file of arrays."""
    if reader is _images and chance(rng, 0.5):
        return folder / "images.npy", _npy(next(iter(arrays.values()), np.zeros(1)))
    return folder / pick(rng, NAMES), _archive(rng, arrays, is_changed)


def _valid(rng, reader):
    """Returns the arrays of a data set for a reader."""
    count, size, channels = int(rng.integers(1, 9)), int(rng.integers(1, 7)), pick(rng, [1, 3, 4])
    images = rng.integers(0, 256, (count, size, size, channels), np.uint8)
    shape = (count, size, size) if reader is _dataset and chance(rng, 0.2) else (count,)
    labels = rng.integers(0, 3, shape, pick(rng, [np.uint8, np.int32, np.int64, np.uint64]))
    prefix = "" if reader is _images else "test_"
    named = {f"{prefix}images": images, f"{prefix}labels": labels}
    return {**named, "name": np.array("mine"), "class_names": np.array(["cat", "dog", "owl"])}


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _archive(rng, arrays, is_changed):
    """Returns a `.npz` file; if it is changed, with a forged header, a member twice, or members of other kinds."""
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    if is_changed and chance(rng, 0.8):
        name = pick(rng, list(members))
        members[name] = _forged(rng, members[name])
        arrays.pop(name.removesuffix(".npy"))
    extra = [("extra.npy", b"text"), ("../up.npy", _npy(np.zeros(2))), ("folder/", b""), ("readme.txt", b"mine")]
    extra = [pick(rng, extra + list(members.items()))] if is_changed and chance(rng, 0.4) else []
    method = pick(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in [*members.items(), *extra]:
            archive.writestr(name, content)
    return file.getvalue()


def _forged(rng, content):
    """Returns the content of a `.npy` file under another header."""
    header = pick(rng, HEADERS).encode() + b"\n"
    version, size = pick(rng, [(1, 2), (1, 2), (2, 4), (3, 4)])
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(size, "little") + header + content[128:]


def _other_type(rng, arrays):
    if arrays:
        name, dtype = pick(rng, list(arrays)), pick(rng, DTYPES)
        try:
            arrays[name] = arrays[name].astype(dtype)
        except (TypeError, ValueError):  # text is no number
            arrays[name] = np.zeros(arrays[name].shape, dtype)


def _other_shape(rng, arrays):
    if arrays:
        name = pick(rng, list(arrays))
        old = arrays[name]
        arrays[name] = pick(rng, [old[..., None], old[None], old.ravel(), old.T, np.tile(old, 2), old[..., :0], old[:1]]
                            if old.ndim else [old[None], old[None, None]])  # fmt: skip


def _other_values(rng, arrays):
    values = [
        [-1, 0],
        [3, 0],
        [np.nan, 0],
        [1e300, 1],
        [2**63, 1],
        [255, 0],
        ["../..", "cat"],
        ["a\x1b[2J", ""],
        [None],
    ]
    if arrays:
        name, chosen = pick(rng, list(arrays)), np.array(pick(rng, values))
        arrays[name] = np.resize(chosen, arrays[name].shape)


def _missing(rng, arrays):
    if arrays:
        arrays.pop(pick(rng, list(arrays)))


def _renamed(rng, arrays):
    if arrays:
        arrays[pick(rng, ["images", "test_images", "labels", "train_images", "x" * 300, "a/b", ""])] = arrays.pop(
            pick(rng, list(arrays))
        )


def _dataset(path, stored):
    data = array_dataset(str(path))
    images, labels = data.load("test")
    _check(images, labels, len(data.class_names), stored, "test_")
    expect(data.class_names and data.image_shape == images.shape[1:], "classes or shape")
    expect(
        "class_names" not in stored or data.class_names == tuple(map(str, stored["class_names"])), "names of classes"
    )
    expect("/" not in data.name and data.name not in ("", ".", ".."), f"name {data.name!r}")


def _images(path, stored):
    images = read_images(path)
    _check(images, None, 0, {"images": next(iter(stored.values()))} if path.suffix == ".npy" and stored else stored, "")


def _folder(path, stored):
    shape = (4, 4, 3)
    data = image_folder(str(path), shape, ("cat", "dog", "owl"))
    images, labels = data.load("test")
    expect(images.dtype == np.uint8 and images.shape[1:] == shape and len(images), "images")
    expect(labels is None or (labels < len(data.class_names)).all(), "labels of no class")


def _check(images, labels, num_classes, stored, prefix):
    expect(images.dtype == np.uint8 and images.ndim == 4 and images.size, f"images {images.dtype} {images.shape}")
    expect(labels is None or len(labels) == len(images), "as many labels as images")
    expect(labels is None or ((labels < num_classes) | ((labels == 255) & (labels.ndim == 3))).all(), "labels")
    for name, array in (("images", images), ("labels", labels)):
        if array is not None and f"{prefix}{name}" in stored:
            expect(np.array_equal(array, stored[f"{prefix}{name}"]), f"{name} are not those that were written")


CHANGES = (_other_type, _other_shape, _other_values, _missing, _renamed)
READERS = (_dataset, _dataset, _images, _folder)
