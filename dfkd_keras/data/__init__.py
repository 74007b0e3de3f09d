"""Real images: to train teachers and to evaluate students. Distillation never uses them, except as a baseline."""

from dfkd_keras.data.arrays import array_dataset, write_arrays
from dfkd_keras.data.dataset import ImageDataset, Split
from dfkd_keras.data.digits import digits
from dfkd_keras.data.image_files import read_images
from dfkd_keras.data.image_folder import image_folder
from dfkd_keras.data.nyuv2 import nyuv2
from dfkd_keras.data.shapes import shapes
from dfkd_keras.data.tfds import tfds_dataset, tfds_segmentation

__all__ = [
    "ImageDataset",
    "Split",
    "array_dataset",
    "digits",
    "image_folder",
    "nyuv2",
    "read_images",
    "shapes",
    "tfds_dataset",
    "tfds_segmentation",
    "write_arrays",
]
