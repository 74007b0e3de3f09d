"""Images in array files, for calibration, parity checks and requests to a server."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfkd_keras.data.array_files import UnreadableArrays, array_headers, read_array
from dfkd_keras.utils.checks import same_shape
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError


def read_images(path: Path | str, image_shape: tuple[int | None, int | None, int | None] | None = None) -> np.ndarray:
    """Reads images from a `.npy` file, or from the array `images` of a `.npz` file.

    Args:
        path: String or `Path`. Path of the file to read.
        image_shape: Tuple of three integers. Height, width and channels that the images must have, where None allows
            any. Defaults to None, which allows any shape.

    Returns:
        uint8 array `[N, H, W, C]`, from 0 to 255.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it does not hold such images.

    Example:
        >>> np.savez("images.npz", images=np.zeros((5, 32, 32, 3), "uint8"))
        >>> dk.data.read_images("images.npz", (32, 32, 3)).shape
        (5, 32, 32, 3)
    """
    path = Path(path)
    if not path.exists():
        raise NotFoundError(f"image file {str(path)!r} does not exist: check the path (here: {Path.cwd()}).")
    name = "images" if path.suffix == ".npz" else ""
    try:
        check_images(array_headers(path)[name], image_shape)
        return read_array(path, name)
    except UnreadableArrays as error:
        raise InvalidInputError(
            f"image file {str(path)!r} holds no array 'images' ({error}): write it with np.savez('x.npz', "
            "images=images)."
        ) from error


def check_images(images: np.ndarray, image_shape: tuple[int | None, ...] | None = None) -> None:
    """Raises `InvalidInputError` unless images are uint8 `[N, H, W, C]`, at least one, and of the required shape."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InvalidInputError(f"images have dtype {images.dtype}: give uint8 values from 0 to 255.")
    if images.ndim != 4 or not images.size:
        raise InvalidInputError(
            f"images have shape {images.shape}: give [N, height, width, channels] and at least one."
        )
    if image_shape and not same_shape(images.shape[1:], image_shape):
        raise InvalidInputError(f"images have shape {images.shape}: each must be {tuple(image_shape)}; resize them.")


def check_files(files: Sequence[bytes]) -> None:
    """Raises `InvalidInputError` unless there is at least one file."""
    if not files:
        raise InvalidInputError("images are empty: give the bytes of at least one PNG or JPEG file.")
