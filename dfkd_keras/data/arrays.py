"""Evaluation data in one file of arrays, for machines without TensorFlow Datasets."""

from pathlib import Path

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, remap_labels
from dfkd_keras.metrics import IGNORED
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.files import NO_SUCH_ARRAYS, atomic_write, translate_write_errors


def write_arrays(dataset: ImageDataset, path: str | Path) -> None:
    """Writes the test split of a data set to a file that `array_dataset` reads.

    Args:
        dataset: `ImageDataset` to write.
        path: String or `Path`. Path of the .npz file to write.

    Raises:
        StorageError: If it cannot be written, or is a folder.
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
    """
    if not Path(path).exists():
        raise NotFoundError(f"array file {path!r} does not exist: check array_dataset.path (here: {Path.cwd()}).")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        name, class_names = str(arrays["name"]), tuple(map(str, arrays["class_names"]))
        shape, masks = arrays["test_images"].shape[1:], arrays["test_labels"].ndim == 3
    except NO_SUCH_ARRAYS as error:
        raise InvalidInputError(
            f"array file {path!r} does not hold a data set ({single_line(error)}): write it with dfkd export-arrays."
        ) from error

    def load(split: SplitName) -> Split:
        if f"{split}_images" not in arrays:
            raise InvalidInputError(
                f"array file {path!r} has no {split} images: give Teacher.path, or add them to the file."
            )
        images, labels = arrays[f"{split}_images"], arrays.get(f"{split}_labels", np.zeros(0))
        if images.dtype != np.uint8 or images.ndim != 4 or labels.shape[:1] != images.shape[:1]:
            raise InvalidInputError(
                f"array file {path!r} has {split} images {images.dtype} {images.shape} and labels {labels.shape}: give "
                "uint8 images [N, height, width, channels] from 0 to 255 and N labels."
            )
        if labels.shape[1:] != (images.shape[1:3] if masks else ()):
            raise InvalidInputError(
                f"array file {path!r} has {split} images {images.shape} and labels {labels.shape}: give a label for "
                "each image, or a mask of its height and width."
            )
        if not masks:
            _check_labels(labels, len(class_names), f"array file {path!r}: {split}_labels")
        return Split(images, remap_labels(labels, len(class_names), IGNORED) if masks else labels)

    return ImageDataset(name, shape, class_names, load, source=str(path), masks=masks)


def _check_labels(labels: np.ndarray, num_classes: int, owner: str) -> None:
    """Raises InvalidInputError, with the first label that is no class."""
    is_class = np.zeros(len(labels), bool)
    if labels.dtype.kind in "iu":
        is_class = (labels >= 0) & (labels < num_classes)
    if not is_class.all():
        first = int(np.argmin(is_class))
        raise InvalidInputError(
            f"{owner}[{first}] = {labels[first].item()!r} is none of the {num_classes} classes: give whole numbers "
            f"from 0 to {num_classes - 1}, in the order of class_names."
        )
