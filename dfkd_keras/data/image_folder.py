"""A user's own images in a folder, with or without labels, to evaluate on."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName
from dfkd_keras.data.image_conversion import MODES, convert_image, read_image
from dfkd_keras.data.image_listing import find_images
from dfkd_keras.utils.checks import check_counts, single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.optional_imports import require_package

MOST_IMAGES, LARGE = 10_000, 64 * 64  # images, and the pixels above which they are fewer
SHOWN = 5  # skipped files that a message names
logger = logging.getLogger(__name__)
_latest: dict[tuple, tuple] = {}  # what was read last: a run asks for it several times


@dataclasses.dataclass(frozen=True)
class ImageFolder(ImageDataset):
    """What `image_folder` returns: a data set in memory with a "test" split only, whose labels are None if unknown.

    Args:
        skipped: Dictionary. Why a file was not read, by its path. Defaults to none.
    """

    skipped: dict[str, str] = dataclasses.field(default_factory=dict)


def image_folder(
    path: str,
    image_shape: tuple[int, int, int],
    class_names: Sequence[str] | None = None,
    labels_csv: str | None = None,
    max_images: int | None = None,
) -> ImageFolder:
    """Reads images of any format, size and mode, to evaluate on.

    Labels come from a CSV file with the columns `file`, a path within the folder, and `label`, which lists the files to
    read; else from the names of the subfolders. There are none if the folder has less than two subfolders or, with
    `class_names`, if no subfolder is one of them. Where all subfolders are parts of a data set, such as train and test,
    the images are those of its test part, or else of its validation part. A label is the name of a class or, in digits,
    its index. Files that cannot be read are skipped, with one warning for all. Hidden files are ignored.

    Args:
        path: String. Path of the folder. Also, of one image, or of a .npz file with the uint8 arrays `images` and
            `labels`, or `test_images` and `test_labels`, of which the labels may be missing.
        image_shape: Tuple of three integers. Height and width that images are resized to, whatever their aspect ratio,
            and channels that they are converted to: 1 for luma, 3 for RGB, 4 for RGBA. Without an alpha channel,
            transparent images are laid on white.
        class_names: Sequence of strings, one per class. Defaults to None: the sorted labels or, where all are indices,
            as many as the largest requires.
        labels_csv: String. Path of the CSV file. Defaults to None: `labels.csv` in the folder, if it exists.
        max_images: Integer. Number of images to read at most, evenly spread over the sorted files. Defaults to None:
            10,000, and fewer of more than 64x64 pixels.

    Returns:
        `ImageFolder`.

    Raises:
        NotFoundError: If the folder or the CSV file does not exist.
        InvalidInputError: If no image can be read, or if a label is none of the classes.
        MissingDependencyError: If Pillow is not installed.

    Example:
        >>> dk.data.image_folder("photos", (32, 32, 3), ("cat", "dog")).load("test").labels
    """
    if len(image_shape) != 3 or image_shape[2] not in MODES or min(image_shape) < 1:
        raise InvalidInputError(f"image_folder.image_shape={image_shape!r} must be height, width, and 1, 3 or 4.")
    max_images = _most_images(image_shape) if max_images is None else max_images
    check_counts("image_folder", max_images=max_images)
    listing = find_images(path, tuple(class_names) if class_names else None, labels_csv)
    chosen = _evenly_spread(len(listing.images), max_images)
    key = _stamps(listing.images, chosen), tuple(image_shape)
    is_new = key not in _latest
    if is_new:
        _latest.clear()
        _latest[key] = _read(listing.images, chosen, tuple(image_shape))
    images, read, unread = _latest[key]
    skipped = listing.skipped | unread
    _check_read(path, len(read), skipped, is_new)
    split = Split(images, None if listing.labels is None else listing.labels[read])
    return _dataset(path, split, listing.class_names, skipped)


def _dataset(path: str, test: Split, class_names: tuple[str, ...], skipped: dict[str, str]) -> ImageFolder:
    def load(name: SplitName) -> Split:
        if name != "test":
            raise InvalidInputError(f"{path!r} is read to evaluate on and has no {name} split: use another data set.")
        return test

    name = Path(path).expanduser().resolve().name
    return ImageFolder(name, test.images.shape[1:], class_names, load, source=str(path), skipped=skipped)


def _most_images(image_shape: tuple[int, int, int]) -> int:
    height, width, _ = image_shape
    return max(1, min(MOST_IMAGES, MOST_IMAGES * LARGE // (height * width)))


def _evenly_spread(count: int, limit: int) -> np.ndarray:
    """Returns the indices of at most `limit` of `count` images."""
    if count > limit:
        logger.info("reading %d of %d images, evenly spread (image_folder.max_images)", limit, count)
    limit = min(count, limit)
    return np.arange(limit) * count // max(limit, 1)


def _read(
    images: Sequence[str] | np.ndarray, chosen: np.ndarray, image_shape: tuple[int, int, int]
) -> tuple[np.ndarray, list[int], dict[str, str]]:
    """Returns the chosen images, converted, the indices of those that could be read, and why others could not."""
    bomb = require_package("PIL.Image", "pillow").DecompressionBombWarning
    convert = convert_image if isinstance(images, np.ndarray) else read_image
    converted, read, unread = np.empty((len(chosen), *image_shape), np.uint8), [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", bomb)
        for index in chosen:
            try:
                converted[len(read)] = convert(images[index], image_shape)
            except Exception as error:  # whatever a damaged file makes Pillow's decoders raise
                unread[str(images[index])] = _cause(error)
            else:
                read.append(index)
    return converted[: len(read)], read, unread


def _cause(error: Exception) -> str:
    if isinstance(error, require_package("PIL", "pillow").UnidentifiedImageError):
        return "not an image"  # Pillow's message repeats the path
    return getattr(error, "strerror", None) or single_line(error)[:100]


def _stamps(images: Sequence[str] | np.ndarray, chosen: np.ndarray) -> tuple:
    """Returns what tells whether files are those that were read before."""
    if isinstance(images, np.ndarray):
        return (images.shape, hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest())
    stamps = []
    for index in chosen:
        with contextlib.suppress(OSError, ValueError):  # of paths with a null character, which are skipped later
            status = os.stat(images[index])
            stamps.append((images[index], status.st_mtime_ns, status.st_size))
    return tuple(stamps)


def _check_read(path: str, count: int, skipped: dict[str, str], is_new: bool) -> None:
    """Logs which files were skipped, and raises `InvalidInputError` if no image is left."""
    parent = Path(path).expanduser().parent
    named = [f"{os.path.relpath(file, parent)!r} ({cause})" for file, cause in skipped.items()]
    rest = [f"and {len(named) - SHOWN} more"] if len(named) > SHOWN else []
    listed = ", ".join(named[:SHOWN] + rest)
    if not count:
        raise InvalidInputError(f"{path!r} holds no image that can be read: give others (skipped: {listed or 'none'}).")
    if skipped and is_new:
        logger.warning("skipped %d of %d files in %r: %s", len(skipped), len(skipped) + count, path, listed)
