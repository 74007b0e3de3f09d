"""Files of arrays: shapes are known before anything is read, and whatever a file claims, it fills no memory."""

import io
import os
import zipfile

import numpy as np
import pytest

from dfkd_keras.data import array_dataset, array_files, image_folder, read_images
from dfkd_keras.data.array_files import UnreadableArrays, array_headers, read_array
from dfkd_keras.utils.errors import InvalidInputError

IMAGES = np.arange(96, dtype="uint8").reshape(2, 4, 4, 3)


def npy(header, content=b"", version=b"\x01\x00"):
    """Returns a `.npy` file with this header."""
    header = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + content


def claiming(shape, descr="|u1"):
    return npy(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}", b"few")


def npz(**members):
    """Returns a `.npz` file of these files."""
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        for name, member in members.items():
            archive.writestr(f"{name}.npy", member)
    return content.getvalue()


def test_headers_have_shape_and_type_and_need_no_memory(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES, name="x")
    headers = array_headers(tmp_path / "a.npz")
    assert {name: (each.shape, each.dtype) for name, each in headers.items()} == {
        "images": (IMAGES.shape, np.uint8), "name": ((), np.dtype("<U1"))
    }  # fmt: skip
    assert headers["images"].strides == (0, 0, 0, 0)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "images"), IMAGES)
    np.save(tmp_path / "b.npy", np.asfortranarray(IMAGES))
    assert array_headers(tmp_path / "b.npy")[""].shape == IMAGES.shape
    np.testing.assert_array_equal(read_array(tmp_path / "b.npy"), IMAGES)


def test_an_array_that_is_not_there_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    with pytest.raises(UnreadableArrays, match="there is no array 'labels'"):
        read_array(tmp_path / "a.npz", "labels")
    with pytest.raises(UnreadableArrays, match="holds arrays by their names"):
        read_array(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        claiming((10**13,)),
        claiming((10**10, 10**10, 10**10)),
        claiming((-1, -3)),
        claiming((10**15,), "<U0"),
        claiming((), "<U1000000000"),
        claiming((1,), "|O"),
        claiming((1,), "no type"),
        claiming("(1"),
        claiming("(1, 'x')"),
        claiming("9" * 5000),
        claiming("(" * 5000),
        npy("\0" * 20),
        npy("(1 + 'a'" * 100),
        npy("{}", version=b"\x09\x09"),
    ],
)
@pytest.mark.parametrize("archive", [False, True], ids=["npy", "npz"])
def test_what_claims_more_than_it_holds_or_is_damaged_is_told_in_one_line(tmp_path, content, archive):
    (tmp_path / "x").write_bytes(npz(images=content) if archive else content)
    with pytest.raises(UnreadableArrays) as told:
        read_array(tmp_path / "x", "images" if archive else "")
    assert "\n" not in str(told.value) and len(str(told.value)) < 300


def test_a_few_bytes_that_expand_to_many_are_not_expanded(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((100, 100, 100, 3), "uint8"))
    assert array_headers(tmp_path / "bomb.npz")["images"].shape == (100, 100, 100, 3), "so much is harmless"
    monkeypatch.setattr(array_files, "LARGE_BYTES", 1 << 20)
    with pytest.raises(UnreadableArrays, match=r"the [\d,]+ bytes of 'images\.npy' would expand to 3,000,128"):
        array_headers(tmp_path / "bomb.npz")


def test_content_is_read_only_after_shapes_are_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("the content was read"))
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=np.zeros(10**6))
    with pytest.raises(InvalidInputError, match=r"each must be \(28, 28, 1\)"):
        read_images(tmp_path / "x.npz", (28, 28, 1))
    with pytest.raises(InvalidInputError, match=r"labels \(1000000,\): give one label per image"):
        image_folder(str(tmp_path / "x.npz"), (4, 4, 3))


@pytest.mark.parametrize("form", ["npy", "npz", "compressed"])
def test_no_damage_is_told_otherwise(tmp_path, form):
    path, rng = tmp_path / "x", np.random.default_rng(0)
    content = io.BytesIO()
    writers = {"npy": np.save, "npz": np.savez, "compressed": np.savez_compressed}
    writers[form](content, IMAGES)
    whole = content.getvalue()
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else damaged)
        try:
            for name in array_headers(path):
                assert read_array(path, name).nbytes <= len(whole)
        except UnreadableArrays as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("read", [read_images, array_dataset, lambda path: image_folder(path, (4, 4, 3))])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_pipe_does_not_block(tmp_path, read, make):
    make(tmp_path / "x.npz")
    with pytest.raises(InvalidInputError, match=r"x\.npz'"):
        read(str(tmp_path / "x.npz"))
