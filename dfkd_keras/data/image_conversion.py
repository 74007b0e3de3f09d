"""Images of any format, size and mode as uint8 arrays of one shape, by Pillow."""

import os
import stat
from typing import Any

import numpy as np

from dfkd_keras.utils.optional_imports import require_package

BACKGROUND = (255, 255, 255, 255)  # white, as paper
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Which values may stand for white in Pillow's modes of more than 8 bits; the smallest that fits is taken.
WHITE_LEVELS = {"I": (2**16 - 1, 2**31 - 1), "F": (1, 2**8 - 1, 2**16 - 1)}


def read_image(path: str, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads an image file in its upright orientation; of an animation, the first frame.

    Args:
        path: String. Path of the file. Anything but a regular file is refused unopened, as a pipe would block.
        image_shape: Tuple of three integers. As in `convert_image`.

    Returns:
        uint8 array `[H, W, C]`.

    Raises:
        Exception: Of any class, since Pillow passes on whatever a damaged file makes its decoders raise.
    """
    pillow, operations = (require_package(f"PIL.{module}", "pillow") for module in ("Image", "ImageOps"))
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if not status.st_size:
        raise ValueError("empty file")
    with pillow.open(path) as image:
        if image.format == "EPS":
            raise ValueError("a PostScript program, which would be run")
        return convert_image(_with_8_bits(operations.exif_transpose(image)), image_shape)


def convert_image(image: Any, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Resizes an image bilinearly, with antialiasing where it shrinks, and converts its channels.

    Args:
        image: Pillow image with 8 bits per channel, or uint8 array `[h, w, C]`. Its aspect ratio is not kept.
        image_shape: Tuple of three integers. Height, width and channels of the result: 1 for luma, 3 for RGB, 4 for
            RGBA. Without an alpha channel, transparent images are laid on white.

    Returns:
        uint8 array `[H, W, C]`.
    """
    pillow = require_package("PIL.Image", "pillow")
    if isinstance(image, np.ndarray):
        image = pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    height, width, channels = image_shape
    image = image.convert("RGBA").resize((width, height), pillow.Resampling.BILINEAR)
    if channels < 4:
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, BACKGROUND), image)
    return np.asarray(image.convert(MODES[channels])).reshape(image_shape)


def _with_8_bits(image: Any) -> Any:
    """Returns a gray image of more than 8 bits with 8, and any other as it is."""
    levels = (2**16 - 1,) if image.mode.startswith("I;16") else WHITE_LEVELS.get(image.mode)
    if levels is None:
        return image
    values = np.asarray(image, np.float64)
    darkest, brightest = values.min(), values.max()
    white = next((level for level in levels if darkest >= 0 and brightest <= level), None)
    if white is None:
        raise ValueError(f"gray values from {darkest:g} to {brightest:g} are of no known scale")
    return require_package("PIL.Image", "pillow").fromarray(np.rint(values * (255.0 / white)).astype(np.uint8))
