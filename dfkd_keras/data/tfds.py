"""Any classification or segmentation data set of TensorFlow Datasets, by name."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, remap_labels, resize, resize_masks
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.utils.checks import check_counts, check_flags, check_kinds, check_lists, check_shape, given
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.optional_imports import require_package

WITHOUT_TENSORFLOW = (
    "run dfkd export-arrays with the same gin files where TensorFlow is installed and add the arrays.gin that it writes"
)
logger = logging.getLogger(__name__)


def tfds_dataset(
    name: str = "mnist",
    size: int = 32,
    data_dir: str | None = None,
    download: bool = True,
    train_split: str = "train",
    test_split: str = "test",
) -> ImageDataset:
    """Returns a classification data set of TensorFlow Datasets (TFDS) as arrays in memory.

    Args:
        name: String. Name of the data set in TFDS, such as "mnist", "svhn_cropped" or "cifar10". Defaults to "mnist".
        size: Integer. Height and width that images are resized to, in pixels. Defaults to 32.
        data_dir: String. Folder of the prepared data. Defaults to the environment variable TFDS_DATA_DIR, else to
            TFDS' own default.
        download: Boolean. Whether to download and prepare missing data. Defaults to True.
        train_split: String. The split to train a teacher on, in TFDS' notation. Defaults to "train".
        test_split: String. The split to evaluate on. Defaults to "test".

    Returns:
        `ImageDataset`. Its splits are read when they are loaded.

    Raises:
        NotFoundError: When a split is loaded, if the data are missing and cannot be downloaded.
        InvalidInputError: If the data set is unknown or not one of labeled images, `size` is below 1 or `download` is
            no Boolean.
        MissingDependencyError: If TFDS or TensorFlow is not installed.
    """
    strings = {"name": name, "train_split": train_split, "test_split": test_split, **given(data_dir=data_dir)}
    check_kinds("tfds_dataset", str, **strings)
    check_counts("tfds_dataset", size=size)
    check_flags("tfds_dataset", download=download)
    builder = _builder(name, data_dir)
    features = builder.info.features
    if not features or not {"image", "label"} <= set(features):
        raise InvalidInputError(
            f"data set {name!r} has no features 'image' and 'label': name a classification data set of TFDS."
        )

    def load(split: SplitName) -> Split:
        read = {"image": lambda images: resize(images, (size, size)), "label": lambda labels: labels.astype(np.int32)}
        return Split(*_read(builder, train_split if split == "train" else test_split, read, download))

    shape, names = (size, size, features["image"].shape[-1]), tuple(features["label"].names)
    return ImageDataset(name, shape, names, load, source=f"{builder.data_path} {train_split} {test_split}")


def tfds_segmentation(
    name: str,
    class_names: Sequence[str],
    size: tuple[int, int] = (96, 128),
    ignore_label: int | Sequence[int] | None = None,
    first_label: int = 0,
    image_feature: str = "image",
    mask_feature: str = "segmentation_mask",
    data_dir: str | None = None,
    download: bool = True,
    train_split: str = "train",
    test_split: str = "test",
) -> ImageDataset:
    """Returns a segmentation data set of TensorFlow Datasets (TFDS), of color images, as arrays in memory.

    Args:
        name: String. Name of the data set in TFDS, such as "oxford_iiit_pet", or of a prepared one in `data_dir`.
        class_names: Sequence of strings, one per class, in the order of their labels.
        size: Tuple of two integers. Height and width that images (bilinearly) and masks (to the nearest label) are
            resized to, in pixels. Defaults to `(96, 128)`.
        ignore_label: Integer or sequence of integers. Labels of pixels of no class. Defaults to None, for no such
            pixels.
        first_label: Integer. Label of the first class. Defaults to 0.
        image_feature: String. Name of the feature that holds the images. Defaults to "image".
        mask_feature: String. Name of the feature that holds the masks. Defaults to "segmentation_mask".
        data_dir: String. As in `tfds_dataset`.
        download: Boolean. As in `tfds_dataset`. Defaults to True.
        train_split: String. As in `tfds_dataset`. Defaults to "train".
        test_split: String. As in `tfds_dataset`. Defaults to "test".

    Returns:
        `ImageDataset`. Its splits are read when they are loaded.

    Raises:
        NotFoundError: When a split is loaded, if the data are missing and cannot be downloaded.
        InvalidInputError: If an argument is not what it should be; when a split is loaded, if the data set is unknown
            or lacks a feature, if images are not in color or masks have several values per pixel, or if a label is
            neither a class nor in `ignore_label`.
        MissingDependencyError: When a split is loaded, if TFDS or TensorFlow is not installed.
    """
    strings = {"name": name, "image_feature": image_feature, "mask_feature": mask_feature, **given(data_dir=data_dir)}
    check_kinds("tfds_segmentation", str, **strings, train_split=train_split, test_split=test_split)
    check_lists("tfds_segmentation", str, class_names=class_names)
    check_shape("tfds_segmentation", 2, size=size)
    check_counts("tfds_segmentation", minimum=0, first_label=first_label)
    check_flags("tfds_segmentation", download=download)

    def load(split: SplitName) -> Split:
        builder = _builder(name, data_dir)
        _check_features(name, builder.info.features or {}, image_feature, mask_feature)
        read = {
            image_feature: lambda images: resize(images, size),
            mask_feature: lambda masks: resize_masks(masks.reshape(masks.shape[:3]), size),
        }
        images, masks = _read(builder, train_split if split == "train" else test_split, read, download)
        return Split(images, remap_labels(masks, len(class_names), ignore_label, first_label))

    splits_and_features = f"{train_split} {test_split} {image_feature} {mask_feature}"
    source = f"{_folder(data_dir)} {splits_and_features} {ignore_label} {first_label}"
    return ImageDataset(name, (*size, 3), tuple(class_names), load, source, masks=True)


def _check_features(name: str, features: Mapping, image_feature: str, mask_feature: str) -> None:
    """Raises `InvalidInputError` unless a data set has color images, and masks with one label for each pixel."""
    if missing := sorted({image_feature, mask_feature} - set(features)):
        raise InvalidInputError(
            f"data set {name!r} has no feature {missing[0]!r}, only {', '.join(sorted(features))}: name them in "
            "tfds_segmentation.image_feature and .mask_feature."
        )
    if features[image_feature].shape[-1] != 3:
        raise InvalidInputError(f"the images of {name!r} are not in color: tfds_segmentation needs 3 channels.")
    shape = features[mask_feature].shape
    if len(shape) < 2 or shape[2:] not in ((), (1,)):
        raise InvalidInputError(
            f"feature {mask_feature!r} of data set {name!r} has the shape {shape}: name one with a label for each "
            "pixel in tfds_segmentation.mask_feature."
        )


def _folder(data_dir: str | None) -> str | None:
    folder = data_dir or os.environ.get("TFDS_DATA_DIR")
    return folder if folder is None or "://" in folder else os.path.realpath(os.path.expanduser(folder))


def _builder(name: str, data_dir: str | None) -> Any:
    tfds = require_package("tensorflow_datasets", "tensorflow-datasets", WITHOUT_TENSORFLOW)
    tfds.disable_progress_bar()
    try:
        return tfds.builder(name, data_dir=_folder(data_dir), try_gcs=False)
    except tfds.core.registered.DatasetNotFoundError as error:
        raise InvalidInputError(
            f"data set {name!r} is unknown to TensorFlow Datasets: check its name or, if it is one of your own, set "
            "TFDS_DATA_DIR to the folder that holds it."
        ) from error


def _read(builder: Any, split: str, read: dict[str, Callable], download: bool) -> list[np.ndarray]:
    """Returns features of a split as arrays, the images first.

    Args:
        builder: Builder of the data set in TFDS.
        split: String. The split, in TFDS' notation.
        read: Dictionary. What to make of the batches of a feature, by the feature's name.
        download: Boolean. Whether to download and prepare missing data.
    """
    tfds = require_package("tensorflow_datasets", "tensorflow-datasets", WITHOUT_TENSORFLOW)
    # TFDS signals missing data by AssertionError or DatasetNotFoundError, a missing network by one of many errors.
    try:
        if download and not builder.info.splits:
            logger.info("data set %s is not in %s: trying to download it", builder.name, builder.data_path)
            builder.download_and_prepare()
        data = builder.as_dataset(split=split, shuffle_files=False)
    except Exception as error:
        cause = "is not prepared" if not builder.info.splits else f"has no usable split {split!r}"
        raise NotFoundError(
            f"data set {builder.name!r} {cause} in {builder.data_path} ({type(error).__name__}): set TFDS_DATA_DIR "
            f"to the folder that holds it, or run `tfds build {builder.name}` where there is a network."
        ) from error
    # Images of different sizes are resized one by one: a batch would pad them to the largest.
    shapes = [builder.info.features[name].shape for name in read]
    at_a_time = 1 if any(None in shape for shape in shapes) else evaluation_batch_size(shapes[0])
    batches = [[made(batch[name]) for name, made in read.items()] for batch in tfds.as_numpy(data.batch(at_a_time))]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
