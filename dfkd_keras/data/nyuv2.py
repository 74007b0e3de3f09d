"""NYUv2: indoor scenes in 13 classes, from local files."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, remap_labels, resize, resize_masks
from dfkd_keras.utils.checks import check_kinds, check_shape
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError
from dfkd_keras.utils.optional_imports import require_package

CLASS_NAMES = ("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv")
CLASS_NAMES += ("wall", "window")


def nyuv2(folder: str, size: tuple[int, int] = (96, 128)) -> ImageDataset:
    """Returns NYUv2 with 13 classes, from image files.

    The folder holds the images in `train_rgb/` and `test_rgb/`, PNG or JPEG, and their masks in `train_labels_13/` and
    `test_labels_13/`, PNG, with 0 for pixels of no class and 1 to 13 for the classes. An image and its mask have the
    same last number in their names, as in the published files `nyu_rgb_0001.png` and `new_nyu_class13_0001.png`. The
    official split has 795 and 654 of them. Images are resized as a whole, where DFAD (Fang et al., 2019) crops.

    Args:
        folder: String. Path of the folder that holds the four folders.
        size: Tuple of two integers. Height and width that images (bilinearly) and masks (to the nearest label) are
            resized to, in pixels. Defaults to `(96, 128)`.

    Returns:
        `ImageDataset`. Its files are read when a split is loaded.

    Raises:
        NotFoundError: When a split is loaded, if a folder is missing or empty, or an image has no mask.
        InvalidInputError: If `folder` is no path or `size` is not two counts; when a split is loaded, if two files have
            the same number, or a mask has another size than its image or an unknown label.
        MissingDependencyError: When a split is loaded, if Pillow is not installed.

    Reference:
        Silberman et al., "Indoor Segmentation and Support Inference from RGBD Images", ECCV 2012; the classes are those
        of Couprie et al., "Indoor Semantic Segmentation using Depth Information", ICLR 2013.
    """
    check_kinds("nyuv2", (str, Path), folder=folder)
    check_shape("nyuv2", 2, size=size)

    def load(name: SplitName) -> Split:
        pillow = require_package("PIL.Image", "pillow")
        images, masks = (_numbered(Path(folder) / f"{name}_{kind}") for kind in ("rgb", "labels_13"))
        if unpaired := sorted(images.keys() ^ masks.keys()):
            raise NotFoundError(
                f"number {unpaired[0]} of the {name} split in {folder!r} is an image without a mask, or a mask without "
                "an image: give both the same number."
            )
        pairs = [_read(pillow, images[number], masks[number], size) for number in sorted(images)]
        pictures, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return Split(pictures, remap_labels(labels, len(CLASS_NAMES), ignore_label=0, first_label=1))

    return ImageDataset("nyuv2", (*size, 3), CLASS_NAMES, load, source=str(folder), masks=True)


def _numbered(folder: Path) -> dict[int, Path]:
    """Returns the image files of a folder by the last number in their names."""
    found = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg") or not (numbers := re.findall(r"\d+", path.stem)):
            continue
        if other := found.get(number := int(numbers[-1])):
            raise InvalidInputError(
                f"{str(other)!r} and {path.name!r} have the same number, {number}: keep one of them."
            )
        found[number] = path
    if not found:
        raise NotFoundError(
            f"{str(folder)!r} holds no numbered PNG or JPEG files: name NYUv2's folder in nyuv2.folder."
        )
    return found


def _read(
    pillow: ModuleType, image_path: Path, mask_path: Path, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image as uint8 `[1, H, W, 3]` and its mask as `[1, H, W]`."""
    with pillow.open(image_path) as image_file, pillow.open(mask_path) as mask_file:
        image, mask = np.asarray(image_file.convert("RGB")), np.asarray(mask_file)
    if mask.shape != image.shape[:2]:
        raise InvalidInputError(
            f"mask {str(mask_path)!r} has the shape {mask.shape}, but its image {image.shape[:2]}: give it one label "
            "for each pixel of the image."
        )
    return resize(image[None], size), resize_masks(mask[None], size)
