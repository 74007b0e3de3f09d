"""Evaluation data in one file of arrays, for machines without TensorFlow Datasets."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dfkd_keras.data.array_files import Headers, UnreadableArrays, array_headers, read_array
from dfkd_keras.data.dataset import ImageDataset, Split, SplitName
from dfkd_keras.metrics import IGNORED
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.files import atomic_write, translate_write_errors
from dfkd_keras.utils.finite import entry
from dfkd_keras.utils.text import file_name


def write_arrays(dataset: ImageDataset, path: str | Path) -> None:
    """Writes the test split of a data set to a file that `array_dataset` reads.

    Args:
        dataset: `ImageDataset` to write.
        path: String or `Path`. Path of the .npz file to write.

    Raises:
        StorageError: If it cannot be written, or is a folder.

    Example:
        >>> dk.data.write_arrays(dk.data.digits(size=8), "digits.npz")
        >>> dk.data.array_dataset("digits.npz").load("test").images.shape
        (360, 8, 8, 1)
    """
    images, labels = dataset.load("test")
    with translate_write_errors(path), atomic_write(path) as aside, open(aside, "wb") as file:
        names = np.array(dataset.class_names)
        np.savez_compressed(file, name=dataset.name, class_names=names, test_images=images, test_labels=labels)


def array_dataset(path: str) -> ImageDataset:
    """Returns the data set in a file that `dfkd export-arrays` or `write_arrays` wrote.

    Args:
        path: String. Path of the .npz file to read. If it also holds the arrays `train_images` and `train_labels`, a
            teacher can be trained on them.

    Returns:
        `ImageDataset`, in memory.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If the file does not hold the arrays of a data set, or when a split is loaded that it does
            not have.

    Example:
        >>> dk.data.write_arrays(dk.data.digits(size=8), "digits.npz")
        >>> dk.data.array_dataset("digits.npz").class_names
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    if not Path(path).exists():
        raise NotFoundError(f"array file {path!r} does not exist: check array_dataset.path (here: {Path.cwd()}).")
    read = functools.cache(functools.partial(read_array, path))
    with _telling(path):
        headers = array_headers(path)
        shape, masks = headers["test_images"].shape[1:], headers["test_labels"].ndim == 3
        name, class_names = file_name(str(read("name"))), _class_names(read("class_names"))
        _check_shapes(path, "test", headers, masks)

    def load(split: SplitName) -> Split:
        if f"{split}_images" not in headers:
            raise InvalidInputError(
                f"array file {path!r} has no {split} images: give Teacher.path, or add them to the file."
            )
        _check_shapes(path, split, headers, masks)
        with _telling(path):
            images, labels = read(f"{split}_images"), read(f"{split}_labels")
        _check_labels(labels, len(class_names), f"array file {path!r}: {split}_labels")
        return Split(images, labels.astype(np.uint8) if masks else labels)

    return ImageDataset(name, shape, class_names, load, source=str(path), masks=masks)


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    """Raises what is wrong with a file as an `InvalidInputError`."""
    try:
        yield
    except UnreadableArrays as error:
        raise InvalidInputError(
            f"array file {path!r} does not hold a data set ({error}): write it with dfkd export-arrays."
        ) from error


def _class_names(names: np.ndarray) -> tuple[str, ...]:
    if names.ndim != 1 or not names.size or names.dtype.kind not in "Uiu":
        raise UnreadableArrays(f"class_names are {names.dtype} of the shape {names.shape}, not a text for each class")
    return tuple(map(str, names))


def _check_shapes(path: str, split: SplitName, headers: Headers, masks: bool) -> None:
    """Raises InvalidInputError unless there are images, and a label or mask for each."""
    images, labels = headers[f"{split}_images"], headers.get(f"{split}_labels", np.zeros(0))
    told = f"array file {path!r} has {split} images {images.dtype} {images.shape} and labels {labels.shape}"
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size or labels.shape[:1] != images.shape[:1]:
        raise InvalidInputError(
            f"{told}: give uint8 images [N, height, width, channels] from 0 to 255, at least one, and N labels."
        )
    if labels.shape[1:] != (images.shape[1:3] if masks else ()):
        raise InvalidInputError(f"{told}: give a label for each image, or a mask of its height and width.")


def _check_labels(labels: np.ndarray, num_classes: int, owner: str) -> None:
    """Raises InvalidInputError, with the first label that is no class; in masks, `IGNORED` is allowed."""
    wrong, are_masks = np.ones(labels.shape, bool), labels.ndim > 1
    if labels.dtype.kind in "iu":
        wrong = (labels < 0) | (labels >= (min(num_classes, IGNORED) if are_masks else num_classes))
        wrong &= (labels != IGNORED) | (not are_masks)
    if wrong.any():
        raise InvalidInputError(
            f"{owner}{entry(labels, wrong)} is none of the {num_classes} classes: give whole numbers from 0 to "
            f"{num_classes - 1}, in the order of class_names."
        )
