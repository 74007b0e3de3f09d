"""Augmentation of images together with their masks, for training a segmenter."""

import math

import keras
import numpy as np

from dfkd_keras.metrics import IGNORED

LARGEST_SHIFT = 1 / 8  # of the image's size


class ShiftFlipSequence(keras.utils.PyDataset):
    """Batches of randomly shifted and flipped images and masks, reshuffled in every epoch.

    Shifts are up to an eighth of the image's size in each direction; half of the images are flipped horizontally.

    Args:
        images: uint8 array `[N, H, W, C]`. What a shift uncovers becomes black.
        masks: uint8 array `[N, H, W]`. What a shift uncovers becomes `IGNORED`.
        batch_size: Integer. Images per batch; the last batch may be smaller.
        seed: Integer. Seed of the order, the shifts and the flips.
    """

    def __init__(self, images: np.ndarray, masks: np.ndarray, batch_size: int, seed: int):
        super().__init__()
        self.images, self.masks, self.batch_size = images, masks, batch_size
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        moved = [self._moved(self.images[place], self.masks[place]) for place in chosen]
        images, masks = zip(*moved, strict=True)
        return np.stack(images), np.stack(masks)

    def on_epoch_end(self) -> None:
        """Reshuffles the images."""
        self.order = self.rng.permutation(len(self.images))

    def _moved(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        limits = [int(length * LARGEST_SHIFT) for length in mask.shape]
        down, right = (self.rng.integers(-limit, limit + 1) for limit in limits)
        rows, columns = (np.arange(length) - shift for length, shift in zip(mask.shape, (down, right), strict=True))
        inside = np.ix_(*((places >= 0) & (places < len(places)) for places in (rows, columns)))
        # Indices beyond an edge wrap around to the other side; all such pixels are replaced.
        image, mask = (part.take(rows, 0, mode="wrap").take(columns, 1, mode="wrap") for part in (image, mask))
        covered = np.zeros(mask.shape, bool)
        covered[inside] = True
        image, mask = np.where(covered[..., None], image, 0), np.where(covered, mask, IGNORED)
        return image.astype(np.uint8), mask.astype(np.uint8)
