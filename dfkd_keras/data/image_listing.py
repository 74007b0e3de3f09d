"""Which images a user's folder, CSV file or array file lists, and with which labels."""

import csv
import io
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dfkd_keras.data.array_files import UnreadableArrays, array_headers, read_array
from dfkd_keras.data.image_files import check_images
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.finite import entry

LABELS_CSV = "labels.csv"
IGNORED_NAMES = ("thumbs.db", "desktop.ini", "__macosx")
SEPARATOR = re.compile(r"^sep=.\n", re.IGNORECASE)  # the first line of files for Excel
INDEX_DIGITS = 5  # a longer number, such as a date, is a name
SPLITS = ("test", "val", "valid", "validation", "dev", "train")  # folders that are no classes, the best one first
SHOWN = 10  # labels that a message names
logger = logging.getLogger(__name__)


class ImageListing(NamedTuple):
    """Images before they are read.

    Attributes:
        images: Sequence of paths, sorted; or uint8 array `[N, h, w, C]`.
        labels: int32 array `[N]`, or None.
        class_names: Tuple of strings, one per class; empty if there are neither labels nor names.
        skipped: Dictionary. Why a file or folder is not listed, by its path.
    """

    images: Sequence[str] | np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    skipped: dict[str, str]


def find_images(path: str, class_names: Sequence[str] | None, labels_csv: str | None) -> ImageListing:
    """Lists a user's images without reading them, except for those of an array file.

    Args:
        path: String. As in `image_folder`.
        class_names: Sequence of strings, or None. As in `image_folder`.
        labels_csv: String, or None. As in `image_folder`.

    Returns:
        `ImageListing`.

    Raises:
        NotFoundError: If the folder or the CSV file does not exist.
        InvalidInputError: If a file does not hold what it should, or if a label is none of the classes.
    """
    source = Path(path).expanduser()
    if not os.path.exists(source):  # which, unlike `Path.exists`, bears names that are too long
        raise NotFoundError(f"image folder {path!r} does not exist: check the path (here: {Path.cwd()}).")
    if source.is_dir():
        source = source if labels_csv or (source / LABELS_CSV).is_file() else _split_in(source, class_names)
        table = Path(labels_csv).expanduser() if labels_csv else source / LABELS_CSV
        if table.is_file():
            return _from_csv(table, source, class_names)
        if labels_csv:
            raise NotFoundError(f"label file {labels_csv!r} does not exist: check labels_csv (here: {Path.cwd()}).")
        return _from_folders(source, class_names)
    if labels_csv:
        raise InvalidInputError(f"labels_csv={labels_csv!r} needs a folder of images, and {path!r} is none.")
    if source.is_file() and source.suffix.lower() == ".npz":
        return _from_arrays(source, class_names)
    return ImageListing([str(source)], None, tuple(class_names or ()), {})


def _split_in(source: Path, class_names: Sequence[str] | None) -> Path:
    """Returns the folder of the test images where all subfolders are parts of a data set, otherwise the folder."""
    _, folders, _ = next(os.walk(source), ("", [], []))
    splits = {name.lower(): name for name in _visible(folders) if name not in (class_names or ())}
    if not splits or len(splits) < len(_visible(folders)) or splits.keys() - {*SPLITS}:
        return source
    chosen = splits[next(name for name in SPLITS if name in splits)]
    logger.info("reading the images of %r in %r", chosen, str(source))
    return source / chosen


def _from_folders(source: Path, class_names: Sequence[str] | None) -> ImageListing:
    """Lists images by the subfolders that they are in."""
    skipped = {}
    above = {os.path.realpath(folder) for folder in (source, *source.resolve().parents)}
    _, folders, files = next(os.walk(source, onerror=_noting(skipped)), ("", [], []))
    folders = [name for name in _visible(folders) if os.path.realpath(source / name) not in above]
    if not _are_classes(folders, class_names):
        if class_names and folders:
            logger.warning("no folder in %r is one of the classes: its images are read without labels", str(source))
        return ImageListing(_files_in(source, above, skipped), None, tuple(class_names or ()), skipped)
    skipped |= {str(source / name): "in no folder of a class" for name in _visible(files)}
    seen = above | {os.path.realpath(source / name) for name in folders}
    found = {name: _files_in(source / name, seen, skipped) for name in folders}
    paths = [path for name in folders for path in found[name]]
    labels = [name for name in folders for _ in found[name]]
    return _labeled(paths, labels, folders, class_names, source, skipped)


def _are_classes(folders: Sequence[str], class_names: Sequence[str] | None) -> bool:
    if class_names is None:
        return len(folders) > 1
    return any(_class_index(name, class_names) is not None for name in folders)


def _files_in(folder: Path, seen: set[str], skipped: dict[str, str]) -> list[str]:
    """Returns the files in a folder and below, sorted; a folder that links lead to again is left out."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_noting(skipped)):
        real = {name: os.path.realpath(os.path.join(parent, name)) for name in _visible(folders)}
        folders[:] = [name for name in real if real[name] not in seen]
        seen |= {*real.values()}
        found += [os.path.join(parent, name) for name in _visible(files)]
    return sorted(found)


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in IGNORED_NAMES)


def _noting(skipped: dict[str, str]) -> Callable[[OSError], None]:
    """Returns a function that notes why a folder cannot be read."""
    return lambda error: skipped.update({error.filename: error.strerror})


def _from_csv(table: Path, source: Path, class_names: Sequence[str] | None) -> ImageListing:
    """Lists the images that a CSV file names."""
    try:
        text = SEPARATOR.sub("", table.read_text("utf-8-sig"))
        delimiter = next((mark for mark in ",;\t" if mark in text.partition("\n")[0]), ",")
        lines = io.StringIO(text, newline="")
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        file, label = _columns(rows)
        if not os.path.exists(source / rows[0][file]):
            del rows[0]  # the header
        pairs = sorted((_within(source, row[file]), row[label].strip()) for row in rows)
        if unlabeled := [path for path, label in pairs if not label]:
            raise ValueError(f"{os.path.relpath(unlabeled[0], source)!r} has no label")
        if not pairs:
            raise ValueError("it is empty below its header")
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidInputError(
            f"label file {str(table)!r} has no rows of a file and its label ({single_line(error)}): write a line such "
            "as cat_1.png,cat for each image."
        ) from error
    paths, labels = ([pair[part] for pair in pairs] for part in (0, 1))
    return _labeled(paths, labels, labels, class_names, table, {})


def _within(folder: Path, name: str) -> str:
    """Returns the path of a file in a folder; raises ValueError if the name leads out of it."""
    path = folder / name
    if not os.path.abspath(path).startswith(os.path.join(os.path.abspath(folder), "")):
        raise ValueError(f"{name!r} is not in the folder {str(folder)!r}")
    return str(path)


def _columns(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Returns where the files and the labels are: where the header has them, else in the first two columns."""
    if not rows:
        raise ValueError("it is empty")
    names = [name.strip().lower() for name in rows[0]]
    columns = (names.index("file"), names.index("label")) if {"file", "label"} <= {*names} else (0, 1)
    if short := [row for row in rows if len(row) <= max(columns)]:
        raise ValueError(f"the row {short[0]} is too short")
    return columns


def _from_arrays(source: Path, class_names: Sequence[str] | None) -> ImageListing:
    """Lists the images of an array file."""
    try:
        headers = array_headers(source)
        prefix = "" if "images" in headers else "test_"
        image_header, label_header = headers[f"{prefix}images"], headers.get(f"{prefix}labels")
        _check_shapes(image_header, label_header, source)
        images = read_array(source, f"{prefix}images")
        if label_header is None:
            return ImageListing(images, None, tuple(class_names or ()), {})
        labels = read_array(source, f"{prefix}labels").ravel()
    except UnreadableArrays as error:
        raise InvalidInputError(
            f"array file {str(source)!r} holds no array 'images' or 'test_images' ({error}): write it with "
            "np.savez('x.npz', images=images, labels=labels)."
        ) from error
    _check_labels(labels, source)
    labels = list(map(str, labels))
    return _labeled(images, labels, labels, class_names, source, {})


def _check_shapes(images: np.ndarray, labels: np.ndarray | None, source: Path) -> None:
    """Raises InvalidInputError unless there are images, and one label for each if there are any."""
    check_images(images, (None, None, None))
    if images.shape[-1] > 4:
        raise InvalidInputError(f"images in {str(source)!r} have shape {images.shape}: give 1, 3 or 4 channels, last.")
    if labels is not None and labels.size != len(images):
        raise InvalidInputError(
            f"array file {str(source)!r} has {len(images)} images and labels {labels.shape}: give one label per image."
        )


def _check_labels(labels: np.ndarray, source: Path) -> None:
    """Raises InvalidInputError unless all labels are indices or names of classes."""
    wrong = np.full(labels.shape, labels.dtype.kind not in "iuU")
    if labels.dtype.kind == "i":
        wrong = labels < 0
    if wrong.any():
        raise InvalidInputError(
            f"array file {str(source)!r} has labels{entry(labels, wrong)}, which is no class: give the index of a "
            "class from 0 on, or its name."
        )


def _labeled(
    images: Sequence[str] | np.ndarray,
    labels: Sequence[str],
    occurring: Iterable[str],
    class_names: Sequence[str] | None,
    source: Path,
    skipped: dict[str, str],
) -> ImageListing:
    """Returns images with their labels as indices of classes, which are named here if they have no names yet."""
    occurring = sorted({*occurring})
    if class_names is None:
        are_indices = all(map(_is_index, occurring))
        class_names = [*map(str, range(1 + max(map(int, occurring))))] if are_indices else occurring
    indices = {label: _class_index(label, class_names) for label in occurring}
    if unknown := [label for label in occurring if indices[label] is None]:
        raise InvalidInputError(
            f"{str(source)!r} has labels that are none of the {len(class_names)} classes, {_some(class_names)}: "
            f"{_some(unknown)}. Rename them, or give indices from 0 to {len(class_names) - 1}."
        )
    if ambiguous := [label for label in occurring if class_names.count(label) > 1]:
        raise InvalidInputError(
            f"{str(source)!r} has the label {ambiguous[0]!r}, which several classes are named: tell them apart in the "
            f"names, or give indices from 0 to {len(class_names) - 1}."
        )
    return ImageListing(images, np.array([indices[label] for label in labels], np.int32), tuple(class_names), skipped)


def _class_index(label: str, class_names: Sequence[str]) -> int | None:
    if label in class_names:
        return class_names.index(label)
    return int(label) if _is_index(label) and int(label) < len(class_names) else None


def _is_index(label: str) -> bool:
    return label.isdecimal() and len(label) <= INDEX_DIGITS


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
