"""Evaluation data in one file of arrays, for machines without TensorFlow."""

from pathlib import Path

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, remap_labels
from dfkd_keras.metrics import IGNORED
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.files import NO_SUCH_ARRAYS, atomic_write


def write_arrays(dataset: ImageDataset, path: str | Path) -> None:
    """Writes the test split of a data set to an .npz file, which `array_dataset` reads."""
    images, labels = dataset.load("test")
    with atomic_write(path) as aside, open(aside, "wb") as file:
        names = np.array(dataset.class_names)
        np.savez_compressed(file, name=dataset.name, class_names=names, test_images=images, test_labels=labels)


def array_dataset(path: str) -> ImageDataset:
    """Returns the data set in a file that `scripts/export_arrays.py` wrote.

    Args:
        path: of the .npz file. One with `train_images` and `train_labels` too has a split to train a teacher on.

    Returns:
        The data set, in memory.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, or when a split is asked for that is not in it.
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
            f"array file {path!r} is not one of scripts/export_arrays.py ({error}): write it again."
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
        return Split(images, remap_labels(labels, len(class_names), IGNORED) if masks else labels)

    return ImageDataset(name, shape, class_names, load, source=str(path), masks=masks)
