"""What a classification data set is to this package."""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from keras import ops

SplitName = Literal["train", "test"]


class Split(NamedTuple):
    """Images uint8 `[N, H, W, C]` and integer labels `[N]`, as NumPy arrays."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def unit_images(self) -> np.ndarray:
        """The images as float32 in [0, 1]."""
        return self.images.astype(np.float32) / np.float32(255.0)


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """A classification data set whose splits are loaded only when asked for.

    Distilling asks for "test" alone; "train" is for training a teacher.

    Args:
        name: of the data set.
        image_shape: height, width and channels after resizing.
        class_names: one per class.
        load: returns the split of the given name.
        source: what tells data of the same name apart, such as their folder and splits.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    load: Callable[[SplitName], Split]
    source: str = ""

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 images `[N, h, w, C]` bilinearly to `size`; returns uint8 `[N, H, W, C]`."""
    if images.shape[1:3] == tuple(size):
        return images
    chunks = [
        ops.convert_to_numpy(ops.image.resize(chunk.astype("float32"), size, interpolation="bilinear"))
        for chunk in np.array_split(images, max(1, len(images) // 4096))
    ]
    return np.clip(np.rint(np.concatenate(chunks)), 0, 255).astype(np.uint8)
