"""Images and masks that are moved together, to train a segmenter on."""

import math

import keras
import numpy as np

from dfkd_keras.metrics import IGNORED

LARGEST_SHIFT = 1 / 8  # of the image's size


class ShiftFlipSequence(keras.utils.PyDataset):
    """Batches of images, shuffled anew in every epoch, each shifted by up to an eighth of its size and mirrored or not.

    Args:
        images: uint8 `[N, H, W, C]`; what a shift uncovers is black.
        masks: uint8 `[N, H, W]`; what a shift uncovers is `IGNORED`.
        batch_size: images in a batch; the last one may be smaller.
        seed: of order and moves.
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
        """Shuffles."""
        self.order = self.rng.permutation(len(self.images))

    def _moved(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.rng.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        limits = [int(length * LARGEST_SHIFT) for length in mask.shape]
        down, right = (self.rng.integers(-limit, limit + 1) for limit in limits)
        rows, columns = (np.arange(length) - shift for length, shift in zip(mask.shape, (down, right), strict=True))
        inside = np.ix_(*((places >= 0) & (places < len(places)) for places in (rows, columns)))
        # Beyond an edge, indices of NumPy come in again on the other side; all such pixels are replaced.
        image, mask = (part.take(rows, 0, mode="wrap").take(columns, 1, mode="wrap") for part in (image, mask))
        seen = np.zeros(mask.shape, bool)
        seen[inside] = True
        return np.where(seen[..., None], image, 0).astype(np.uint8), np.where(seen, mask, IGNORED).astype(np.uint8)
