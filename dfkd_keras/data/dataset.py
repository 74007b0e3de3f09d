"""What a data set of classification or segmentation is to this package."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from keras import ops

from dfkd_keras.metrics import IGNORED, evaluation_batch_size
from dfkd_keras.utils.errors import InvalidInputError

SplitName = Literal["train", "test"]


class Split(NamedTuple):
    """Images uint8 `[N, H, W, C]` and integer labels `[N]`, or masks uint8 `[N, H, W]`, as NumPy arrays."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def unit_images(self) -> np.ndarray:
        """The images as float32 in [0, 1]."""
        return self.images.astype(np.float32) / np.float32(255.0)


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """A data set of classification or segmentation whose splits are loaded only when asked for.

    Distilling asks for "test" alone; "train" is for training a teacher, and for a student to be compared with.

    Args:
        name: of the data set.
        image_shape: height, width and channels after resizing.
        class_names: one per class.
        load: returns the split of the given name.
        source: what tells data of the same name apart, such as their folder and splits.
        masks: whether a label is a class for each pixel; those of no class are `IGNORED`.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[SplitName], Split]
    source: str = ""
    masks: bool = False

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 images `[N, h, w, C]` to `[N, H, W, C]`, uint8: bilinearly, over all pixels where they shrink."""
    if images.shape[1:3] == tuple(size):
        return images
    resized = functools.partial(ops.image.resize, size=size, interpolation="bilinear", antialias=True)
    chunks = [
        ops.convert_to_numpy(resized(chunk.astype("float32")))
        for chunk in np.array_split(images, max(1, math.ceil(len(images) / evaluation_batch_size(images.shape))))
    ]
    return np.clip(np.rint(np.concatenate(chunks)), 0, 255).astype(np.uint8)


def resize_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes masks `[N, h, w]` to `size`, `[N, H, W]`; each pixel takes the label of the nearest one."""
    rows, columns = (
        ((np.arange(length) + 0.5) * old / length).astype(int)
        for length, old in zip(size, masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]


def remap_labels(
    labels: np.ndarray, num_classes: int, ignore_label: int | Sequence[int] | None = None, first_label: int = 0
) -> np.ndarray:
    """Turns a data set's masks into those of this package.

    Args:
        labels: integers `[N, H, W]`.
        num_classes: how many there are.
        ignore_label: that of pixels of no class, or several.
        first_label: that of the first class.

    Returns:
        uint8 `[N, H, W]`, from 0 to classes - 1, or `IGNORED`.

    Raises:
        ValueError: for any other label.
    """
    labels = labels.astype(np.int32)
    void = np.isin(labels, () if ignore_label is None else ignore_label)
    masks = np.where(void, IGNORED, labels - first_label)
    if wrong := sorted({*np.unique(masks[~void]).tolist()} - {*range(min(num_classes, IGNORED))}):
        raise InvalidInputError(
            f"a mask holds the label {wrong[0] + first_label}, but there are {num_classes} classes from {first_label} on "
            f"and ignore_label={ignore_label}: name all classes, or the labels of pixels of no class."
        )
    return masks.astype(np.uint8)
