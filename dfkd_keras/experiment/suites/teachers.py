"""The teachers of a suite: their files, and the real images that tell the truth about them and their students."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np

from dfkd_keras.data import Split, digits, tfds_dataset
from dfkd_keras.data.array_files import UnreadableArrays, read_array
from dfkd_keras.data.dataset import SplitName, resize
from dfkd_keras.experiment.suites.process import TRAINED
from dfkd_keras.images import ChannelOrder, InputConvention, InputRange
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError

MANIFEST = "teachers.json"
TFDS = "tfds:"


@dataclasses.dataclass(frozen=True)
class SuiteTeacher:
    """A teacher, and what is true of it whatever distillation finds out.

    Args:
        name: String. Its name, which its folder has.
        file: String. Its path; environment variables such as `$DFKD_TEACHERS` are replaced.
        images: String. Its real test images: "digits", "tfds:NAME", or the path of an `.npz` file with `test_images`,
            uint8 `[N, H, W, C]`, and `test_labels`. They are resized to those of the teacher.
        input_range: String. The range of the values that it takes, as in `InputConvention`. Defaults to "0..1".
        channel_order: String, "rgb" or "bgr". Defaults to "rgb".
        classes: Tuple of integers. The teacher's class of each label of the images. Defaults to None, the labels.
        recipe: Tuple of strings. Gin files that train it where its file is absent. Defaults to none.

    Raises:
        InvalidInputError: If the range or the order is unknown.
    """

    name: str
    file: str
    images: str
    input_range: InputRange = "0..1"
    channel_order: ChannelOrder = "rgb"
    classes: tuple[int, ...] | None = None
    recipe: tuple[str, ...] = ()

    def __post_init__(self):
        InputConvention(self.input_range, self.channel_order)

    @property
    def path(self) -> Path:
        """`Path`. Its file."""
        return Path(os.path.expandvars(self.file))

    def test_split(self, image_shape: tuple[int, int, int]) -> Split:
        """Returns its real test images in a shape, with its own classes as labels."""
        images, labels = real_images(self.images, image_shape, "test")
        return Split(images, labels if self.classes is None else np.take(self.classes, labels))


def read_manifest(folder: Path | str) -> list[SuiteTeacher]:
    """Returns the teachers that the file `teachers.json` of a folder describes.

    The file is an object of objects: by the name of each teacher, the fields of `SuiteTeacher`. Paths are relative to
    the folder.

    Args:
        folder: String or `Path`.

    Raises:
        NotFoundError: If there is no such file.
        InvalidInputError: If it describes no teachers.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise NotFoundError(
            f"{str(path)!r} does not exist: describe the teachers of --teachers there, see docs/bench.md."
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        strange = [name for name in described if not re.fullmatch(r"[\w-]+", name) or name == TRAINED]
        if strange:
            raise ValueError(f"{strange[0]!r} cannot be the name of a teacher's folder")
        return [SuiteTeacher(name, **_in_folder(path.parent, fields)) for name, fields in described.items()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{str(path)!r} does not describe teachers ({single_line(error)}): give file, images and input_range for "
            "each name, see docs/bench.md."
        ) from error


def real_images(source: str, image_shape: tuple[int, int, int], split: SplitName) -> Split:
    """Returns real images and their labels.

    Args:
        source: String, as `SuiteTeacher.images`.
        image_shape: Tuple of three integers. Height, width and channels that the images get.
        split: String, "train" or "test".

    Raises:
        NotFoundError: If they are not there.
        InvalidInputError: If the file holds no such arrays, or images of other channels.
    """
    if source == "digits":
        images, labels = digits(image_shape[0]).load(split)
    elif source.startswith(TFDS):
        images, labels = tfds_dataset(source.removeprefix(TFDS), image_shape[0], download=False).load(split)
    else:
        images, labels = _arrays(os.path.expandvars(source), split)
    if images.shape[-1] != image_shape[-1]:
        raise InvalidInputError(
            f"the images {source!r} have {images.shape[-1]} channels and the teacher takes {image_shape[-1]}: name "
            "others in its images."
        )
    return Split(resize(images, image_shape[:2]), labels)


def _arrays(path: str, split: SplitName) -> Split:
    if not Path(path).is_file():
        raise NotFoundError(f"the images {path!r} do not exist: give digits, tfds:NAME, or the path of an .npz file.")
    try:
        return Split(read_array(path, f"{split}_images"), read_array(path, f"{split}_labels"))
    except UnreadableArrays as error:
        raise InvalidInputError(
            f"{path!r} holds no images ({error}): give the arrays {split}_images and {split}_labels."
        ) from error


def _in_folder(folder: Path, fields: dict) -> dict:
    """Returns the fields of a teacher with paths relative to the folder made ones of the working folder."""
    images = fields["images"]
    if images.endswith(".npz"):
        images = str(folder / os.path.expandvars(images))
    classes = None if fields.get("classes") is None else tuple(fields["classes"])
    return fields | {"file": str(folder / os.path.expandvars(fields["file"])), "images": images, "classes": classes}
