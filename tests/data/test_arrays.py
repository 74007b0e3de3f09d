"""Evaluation data as arrays: what is written is what is read, and wrong files are told in one line."""

import numpy as np
import pytest

from dfkd_keras.data import ImageDataset, Split, array_dataset, shapes, write_arrays
from dfkd_keras.utils.errors import InvalidInputError, StorageError


def colors(name):
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8), np.arange(5, dtype=np.int32) % 2)


@pytest.fixture
def path(tmp_path):
    write_arrays(ImageDataset("colors", (4, 4, 3), ("red", "blue"), colors), tmp_path / "test.npz")
    return str(tmp_path / "test.npz")


def test_what_is_written_is_read(path):
    data = array_dataset(path)
    assert not data.masks
    assert (data.name, data.image_shape, data.class_names) == ("colors", (4, 4, 3), ("red", "blue"))
    for read, written in zip(data.load("test"), colors("test"), strict=True):
        np.testing.assert_array_equal(read, written)
        assert read.dtype == written.dtype


def test_masks_stay_masks(tmp_path):
    written = shapes(16, 4, 3)
    write_arrays(written, tmp_path / "shapes.npz")
    read = array_dataset(str(tmp_path / "shapes.npz"))
    assert read.masks and read.image_shape == written.image_shape
    np.testing.assert_array_equal(read.load("test").labels, written.load("test").labels)


def test_a_split_that_is_not_there_is_told_with_the_remedy(path):
    with pytest.raises(ValueError, match=r"has no train images: give Teacher\.path"):
        array_dataset(path).load("train")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((5, 4, 4, 3), "float32"), np.zeros(5, "int32")),
        (np.zeros((5, 4, 4), "uint8"), np.zeros(5, "int32")),
        (np.zeros((5, 4, 4, 3), "uint8"), np.zeros(4, "int32")),
        (np.zeros((0, 4, 4, 3), "uint8"), np.zeros(0, "int32")),
    ],
)
def test_images_that_are_no_pixels_or_lack_labels_are_refused(tmp_path, images, labels):
    known = {"name": "own", "class_names": ["red", "blue"]}
    np.savez(tmp_path / "own.npz", test_images=images, test_labels=labels, **known)
    with pytest.raises(ValueError, match=r"has test images .*: give uint8 images \[N, height, width, channels\]"):
        array_dataset(str(tmp_path / "own.npz")).load("test")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((5, 4, 4), 7), r"test_labels\[0, 0, 0\] = 7 is none of the 2 classes"),
        (np.full((5, 4, 4), -1), r"test_labels\[0, 0, 0\] = -1 is none of the 2 classes"),
        (np.full((5, 4, 4), 2**32), r"test_labels\[0, 0, 0\] = 4294967296 is none of the 2 classes"),
        (np.full((5, 4, 4), 0.5), r"test_labels\[0, 0, 0\] = 0\.5 is none of the 2 classes"),
        (np.full((5, 4, 4), np.nan), r"test_labels\[0, 0, 0\] = nan is none of the 2 classes"),
        (np.full((5, 4, 4), "red"), r"test_labels\[0, 0, 0\] = 'red' is none of the 2 classes"),
        (np.zeros((5, 4, 3)), r"labels \(5, 4, 3\): give a label for each image, or a mask of its height"),
        (np.zeros((5, 1)), r"labels \(5, 1\): give a label for each image, or a mask of its height"),
    ],
)
def test_masks_of_other_labels_or_sizes_are_refused(tmp_path, labels, message):
    known = {"name": "own", "class_names": ["red", "blue"], "test_images": np.zeros((5, 4, 4, 3), "uint8")}
    np.savez(tmp_path / "own.npz", test_labels=labels, **known)
    with pytest.raises(ValueError, match=message):
        array_dataset(str(tmp_path / "own.npz")).load("test")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist: check array_dataset\.path"):
        array_dataset(str(tmp_path / "nothing.npz"))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"does not hold a data set"):
        array_dataset(str(tmp_path / "other.npz"))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"does not hold a data set"):
        array_dataset(str(tmp_path / "broken.npz"))
    np.savez(tmp_path / "whole.npz", name="own", x=np.arange(1000))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"does not hold a data set"):
        array_dataset(str(tmp_path / "cut.npz"))


@pytest.mark.parametrize("names", [np.array("red"), np.array([["red"]]), np.zeros(0, "U3"), np.array([0.5])])
def test_what_names_no_classes_is_told(tmp_path, names):
    images, labels = colors("test")
    np.savez(tmp_path / "x.npz", name="x", class_names=names, test_images=images, test_labels=labels)
    with pytest.raises(InvalidInputError, match=r"class_names are .*, not a text for each class\)"):
        array_dataset(str(tmp_path / "x.npz"))


def test_the_name_of_a_data_set_leads_to_no_other_folder(tmp_path):
    write_arrays(ImageDataset("../../x\x1b[2J", (4, 4, 3), ("red", "blue"), colors), tmp_path / "x.npz")
    assert array_dataset(str(tmp_path / "x.npz")).name == "_._.._x_2J"


def test_damage_of_the_images_is_told_when_they_are_loaded(path):
    with open(path, "r+b") as file:
        file.seek(file.read().index(b"test_images.npy") + 120)
        file.write(b"\xff" * 20)
    with pytest.raises(InvalidInputError, match=r"does not hold a data set \(it cannot be read: .*dfkd export-arrays"):
        array_dataset(path).load("test")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([0, 1, 2, 1, 0], r"test_labels\[2\] = 2"),
        ([0, 1, 0, -1, 5], r"test_labels\[3\] = -1"),
        ([0.0, 1.0, 0.0, 1.0, 0.0], r"test_labels\[0\] = 0\.0"),
        ([float("nan"), 1.0, 0.0, 1.0, 0.0], r"test_labels\[0\] = nan"),
        (["red", "red", "blue", "red", "red"], r"test_labels\[0\] = 'red'"),
    ],
)
def test_the_first_label_that_is_no_class_is_named(tmp_path, labels, shown):
    np.savez(
        tmp_path / "x.npz", name="x", class_names=["red", "blue"], test_labels=labels, test_images=colors("test").images
    )
    message = rf"{shown} is none of the 2 classes: give whole numbers from 0 to 1"
    with pytest.raises(InvalidInputError, match=message):
        array_dataset(str(tmp_path / "x.npz")).load("test")


def test_a_folder_is_never_overwritten_by_arrays(tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(StorageError, match="it is a folder"):
        write_arrays(ImageDataset("colors", (4, 4, 3), ("red", "blue"), colors), tmp_path)
    assert (tmp_path / "kept.txt").read_text() == "kept"
