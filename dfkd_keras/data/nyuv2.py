"""NYUv2, indoor scenes in 13 classes, from local files."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, remap_labels, resize, resize_masks
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError

CLASS_NAMES = ("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv")
CLASS_NAMES += ("wall", "window")


def nyuv2(folder: str, size: tuple[int, int] = (96, 128)) -> ImageDataset:
    """Returns NYUv2 (Silberman et al., ECCV 2012) with the 13 classes of Couprie et al. (ICLR 2013).

    The folder holds the images in `train_rgb/` and `test_rgb/`, PNG or JPEG, and their masks in `train_labels_13/` and
    `test_labels_13/`, PNG, 0 for pixels of no class and 1 to 13 for the classes; an image and its mask have the same
    last number in their names, as in the published files `nyu_rgb_0001.png` and `new_nyu_class13_0001.png`. The
    official split has 795 and 654 of them. Images are resized as a whole, where DFAD (Fang et al., 2019) crops.

    Args:
        folder: with the four folders.
        size: height and width that images (bilinearly) and masks (to the nearest label) are resized to, in pixels.

    Returns:
        The data set; its files are read when asked for.

    Raises:
        FileNotFoundError: when a split is loaded, if there is no such folder, or an image has no mask.
        ValueError: likewise, for two files of one number, or a mask of another size than its image or with another
            label.
    """

    def load(name: SplitName) -> Split:
        images, masks = (_numbered(Path(folder) / f"{name}_{kind}") for kind in ("rgb", "labels_13"))
        if unpaired := sorted(images.keys() ^ masks.keys()):
            raise NotFoundError(
                f"number {unpaired[0]} of the {name} split in {folder!r} is an image without a mask, or a mask without "
                "an image: give both the same number."
            )
        pairs = [_read(images[number], masks[number], size) for number in sorted(images)]
        pictures, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return Split(pictures, remap_labels(labels, len(CLASS_NAMES), ignore_label=0, first_label=1))

    return ImageDataset("nyuv2", (*size, 3), CLASS_NAMES, load, source=str(folder), masks=True)


def _numbered(folder: Path) -> dict[int, Path]:
    """Returns the pictures of a folder by the last number in their names."""
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


def _read(image_path: Path, mask_path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image as uint8 `[1, H, W, 3]` and its mask as `[1, H, W]`."""
    with Image.open(image_path) as image_file, Image.open(mask_path) as mask_file:
        image, mask = np.asarray(image_file.convert("RGB")), np.asarray(mask_file)
    if mask.shape != image.shape[:2]:
        raise InvalidInputError(
            f"mask {str(mask_path)!r} has the shape {mask.shape}, but its image {image.shape[:2]}: give it one label "
            "for each pixel of the image."
        )
    return resize(image[None], size), resize_masks(mask[None], size)
