"""NYUv2, indoor scenes in 13 classes, from local files."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName, known_masks, resize, resize_masks

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
        ValueError: likewise, for a mask with another label.
    """

    def load(name: SplitName) -> Split:
        images, masks = (_numbered(Path(folder) / f"{name}_{kind}") for kind in ("rgb", "labels_13"))
        if unpaired := sorted(images.keys() ^ masks.keys()):
            raise FileNotFoundError(
                f"number {unpaired[0]} of the {name} split in {folder!r} is an image without a mask, or a mask without "
                "an image: give both the same number."
            )
        numbers = sorted(images)
        split = [_read(images[number], "RGB", size) for number in numbers]
        labels = np.concatenate([_read(masks[number], "L", size) for number in numbers])
        return Split(np.concatenate(split), known_masks(labels, len(CLASS_NAMES), ignore_label=0, first_label=1))

    return ImageDataset("nyuv2", (*size, 3), CLASS_NAMES, load, source=str(folder), masks=True)


def _numbered(folder: Path) -> dict[int, Path]:
    """Returns the pictures of a folder by the last number in their names."""
    pictures = [path for path in folder.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    found = {int(numbers[-1]): path for path in pictures if (numbers := re.findall(r"\d+", path.stem))}
    if not found:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no numbered PNG or JPEG files: name NYUv2's folder in nyuv2.folder."
        )
    return found


def _read(path: Path, mode: str, size: tuple[int, int]) -> np.ndarray:
    """Returns a picture as uint8 `[1, H, W, 3]`, or a mask as `[1, H, W]`."""
    with Image.open(path) as picture:
        if mode == "L":
            return resize_masks(np.asarray(picture)[None], size)
        return resize(np.asarray(picture.convert(mode))[None], size)
