"""A classification or segmentation data set as this package takes it."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from keras import ops

from dfkd_keras.metrics import IGNORED, check_labels, evaluation_batch_size
from dfkd_keras.utils.checks import (
    check_choices,
    check_flags,
    check_functions,
    check_kinds,
    check_lists,
    check_shape,
    same_shape,
)
from dfkd_keras.utils.errors import InvalidInputError

SplitName = Literal["train", "test"]


class Split(NamedTuple):
    """The images and labels of one split.

    Attributes:
        images: uint8 array `[N, H, W, C]`, from 0 to 255.
        labels: Integer array `[N]`, or masks, uint8 `[N, H, W]`; None if they are unknown.

    Example:
        >>> split = dk.data.Split(np.full((5, 8, 8, 1), 255, "uint8"), labels=np.arange(5))
        >>> float(split.unit_images.max())
        1.0
    """

    images: np.ndarray
    labels: np.ndarray | None

    @property
    def unit_images(self) -> np.ndarray:
        """Float32 array `[N, H, W, C]`. The images in [0, 1]."""
        return self.images.astype(np.float32) / np.float32(255.0)


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """A classification or segmentation data set whose splits are loaded only when they are used.

    Distillation loads only "test"; "train" is for training a teacher, and for a student on real images to compare with.

    Args:
        name: String. Name of the data set.
        image_shape: Tuple of three integers. Height, width and channels after resizing.
        class_names: Tuple of strings, one per class.
        load: Callable. It takes the name of a split, "train" or "test", and returns the `Split`.
        source: String. It distinguishes data of the same name, for example by their folder and splits. Defaults to "".
        masks: Boolean. Whether a label is a class for each pixel, where `IGNORED` marks pixels of no class. Defaults to
            False.

    Raises:
        InvalidInputError: If an argument is of another kind, or when a split is loaded, if its name is another one, or
            images or labels are not what they should be.

    Example:
        >>> images, labels = np.zeros((5, 8, 8, 1), "uint8"), np.array([0, 1, 0, 1, 1])
        >>> data = dk.data.ImageDataset("mine", (8, 8, 1), ("cat", "dog"), lambda split: dk.data.Split(images, labels))
        >>> data.load("test").images.shape
        (5, 8, 8, 1)
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[SplitName], Split]
    source: str = ""
    masks: bool = False

    def __post_init__(self):
        check_kinds("ImageDataset", str, name=self.name, source=self.source)
        check_shape("ImageDataset", 3, any_size=True, image_shape=self.image_shape)
        check_lists("ImageDataset", str, class_names=self.class_names)
        check_functions("ImageDataset", load=self.load)
        check_flags("ImageDataset", masks=self.masks)
        shape = tuple(size if size is None else int(size) for size in self.image_shape)  # maybe NumPy's integers
        object.__setattr__(self, "image_shape", shape)  # the one way to a frozen field
        object.__setattr__(self, "load", _checked(self, self.load))

    @property
    def num_classes(self) -> int:
        """Integer. The number of classes."""
        return len(self.class_names)


def _checked(data: ImageDataset, load: Callable[[SplitName], Split]) -> Callable[[SplitName], Split]:
    """Returns a function that loads a split of a data set and checks it."""

    def load_checked(name: SplitName) -> Split:
        """Loads a split as the data set does, and checks it."""
        check_choices(f"{data.name}.load", get_args(SplitName), split=name)
        split = Split(*load(name))
        images, owner = np.asarray(split.images), f"the {name} split of data set {data.name!r}"
        if images.dtype != np.uint8 or images.ndim != 4 or not same_shape(images.shape[1:], data.image_shape):
            raise InvalidInputError(
                f"{owner} has images {images.dtype} {images.shape}: give uint8 images from 0 to 255 of shape "
                f"{('N', *data.image_shape)}."
            )
        if split.labels is not None:
            shape = images.shape[:3] if data.masks else images.shape[:1]
            check_labels(owner, split.labels, shape, data.num_classes or None)
        return split

    return load_checked


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes images bilinearly, with antialiasing where they shrink.

    Args:
        images: uint8 array `[N, h, w, C]`.
        size: Tuple of two integers. Height and width of the result, in pixels.

    Returns:
        uint8 array `[N, H, W, C]`; the images themselves if they have this size.
    """
    if images.shape[1:3] == tuple(size):
        return images
    resized = functools.partial(ops.image.resize, size=size, interpolation="bilinear", antialias=True)
    chunks = [
        ops.convert_to_numpy(resized(chunk.astype("float32")))
        for chunk in np.array_split(images, max(1, math.ceil(len(images) / evaluation_batch_size(images.shape))))
    ]
    return np.clip(np.rint(np.concatenate(chunks)), 0, 255).astype(np.uint8)


def resize_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes masks, where each pixel takes the label of the nearest one.

    Args:
        masks: Integer array `[N, h, w]`.
        size: Tuple of two integers. Height and width of the result, in pixels.

    Returns:
        Integer array `[N, H, W]`.
    """
    rows, columns = (
        ((np.arange(length) + 0.5) * old / length).astype(int)
        for length, old in zip(size, masks.shape[1:], strict=True)
    )
    return masks[:, rows[:, None], columns]


def remap_labels(
    labels: np.ndarray, num_classes: int, ignore_label: int | Sequence[int] | None = None, first_label: int = 0
) -> np.ndarray:
    """Maps the labels of a data set's masks to 0, 1, ..., K - 1 and `IGNORED`.

    Args:
        labels: Integer array `[N, H, W]`.
        num_classes: Integer. Number of classes, K.
        ignore_label: Integer or sequence of integers. Labels of pixels of no class. Defaults to None, for no such
            pixels.
        first_label: Integer. Label of the first class. Defaults to 0.

    Returns:
        uint8 array `[N, H, W]`.

    Raises:
        InvalidInputError: If any other label occurs.
    """
    labels = labels.astype(np.int32)
    void = np.isin(labels, () if ignore_label is None else ignore_label)
    masks = np.where(void, IGNORED, labels - first_label)
    if wrong := sorted({*np.unique(masks[~void]).tolist()} - {*range(min(num_classes, IGNORED))}):
        raise InvalidInputError(
            f"a mask holds the label {wrong[0] + first_label}, but there are {num_classes} classes from {first_label} "
            f"on and ignore_label={ignore_label}: name all classes, or the labels of pixels of no class."
        )
    return masks.astype(np.uint8)
