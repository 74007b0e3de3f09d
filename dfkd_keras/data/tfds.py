"""Any classification data set of TensorFlow Datasets, by name."""

import logging
import os
from typing import Any

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, resize

logger = logging.getLogger(__name__)


def tfds_dataset(
    name: str = "mnist",
    size: int = 32,
    data_dir: str | None = None,
    download: bool = True,
    train_split: str = "train",
    test_split: str = "test",
) -> ImageDataset:
    """Returns a TFDS classification data set as arrays in memory.

    Args:
        name: of the data set in TFDS, such as "mnist", "svhn_cropped", "cifar10".
        size: height and width that images are resized to, in pixels.
        data_dir: where the prepared data lie; the environment variable TFDS_DATA_DIR, else TFDS' default.
        download: whether to download and prepare what is not there.
        train_split: the split to train a teacher on, in TFDS' notation.
        test_split: the split to evaluate on.

    Returns:
        The data set; its splits are read when asked for.

    Raises:
        FileNotFoundError: if the data are not there and cannot be downloaded.
        ValueError: if the data set is unknown or not one of labelled images.
    """
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    builder = _builder(name, data_dir)
    features = builder.info.features
    if not features or not {"image", "label"} <= set(features):
        raise ValueError(f"data set {name!r} has no features 'image' and 'label': name a TFDS classification set.")

    def load(split: SplitName) -> Split:
        return _read(builder, train_split if split == "train" else test_split, size, download)

    shape, names = (size, size, features["image"].shape[-1]), tuple(features["label"].names)
    return ImageDataset(name, shape, names, load, source=f"{builder.data_path} {train_split} {test_split}")


def _builder(name: str, data_dir: str | None) -> Any:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise ValueError(f"data set {name!r} is unknown to TensorFlow Datasets: check its name.") from error


def _read(builder: Any, split: str, size: int, download: bool) -> Split:
    import tensorflow_datasets as tfds

    # TFDS signals missing data by AssertionError or DatasetNotFoundError, a missing network by one of many errors.
    try:
        if download and not builder.info.splits:
            logger.info("data set %s is not in %s: trying to download it", builder.name, builder.data_path)
            builder.download_and_prepare()
        data = builder.as_dataset(split=split, shuffle_files=False)
    except Exception as error:
        cause = "is not prepared" if not builder.info.splits else f"has no usable split {split!r}"
        raise FileNotFoundError(
            f"data set {builder.name!r} {cause} in {builder.data_path} ({type(error).__name__}): set TFDS_DATA_DIR "
            f"to the folder that holds it, or run `tfds build {builder.name}` where there is a network."
        ) from error
    # Images of different sizes are resized one by one: a batch would pad them to the largest.
    one_size = None not in builder.info.features["image"].shape
    batches = [
        (resize(batch["image"], (size, size)), batch["label"])
        for batch in tfds.as_numpy(data.batch(1024 if one_size else 1))
    ]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Split(images, labels.astype(np.int32))
