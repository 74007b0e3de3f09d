"""Real images: to train a teacher and to evaluate, never to distil."""

from dfkd_keras.data.arrays import array_dataset, write_arrays
from dfkd_keras.data.dataset import ImageDataset, Split
from dfkd_keras.data.digits import digits
from dfkd_keras.data.tfds import tfds_dataset

__all__ = ["ImageDataset", "Split", "array_dataset", "digits", "tfds_dataset", "write_arrays"]
