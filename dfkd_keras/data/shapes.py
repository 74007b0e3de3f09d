"""The embedded data set of segmentation: colored shapes on textured ground, drawn when a split is loaded."""

import numpy as np

from dfkd_keras.data.dataset import ImageDataset, Split, SplitName
from dfkd_keras.metrics import IGNORED
from dfkd_keras.utils.checks import check_counts

CLASS_NAMES = ("ground", "disc", "square", "triangle", "ring")
SEEDS = {"train": 0, "test": 1}
COLORS = ((90, 90, 90), (200, 60, 60), (60, 190, 80), (70, 90, 210), (210, 190, 60))  # of the classes, in RGB
SCATTER = 45.0  # standard deviation of a shape's color
VOID_WIDTH = 0.5  # pixels to either side of an edge


def shapes(size: int = 64, train_images: int = 800, test_images: int = 200) -> ImageDataset:
    """Returns drawings of discs, squares, triangles and rings with their masks, the same at every call.

    An image has two to five shapes, which may overlap, on a ground of colored waves and noise. A shape's color scatters
    around that of its class, so that it often, but not always, shows the class as its outline does. The pixels on an
    outline are of no class.

    Args:
        size: Integer. Height and width of the images, in pixels. Defaults to 64.
        train_images: Integer. Number of images to train on. Defaults to 800.
        test_images: Integer. Number of images to evaluate on. Defaults to 200.

    Returns:
        `ImageDataset` of color images and masks in 5 classes.

    Raises:
        InvalidInputError: If a number is below 1.

    Example:
        >>> test = dk.data.shapes(size=32, test_images=4).load("test")
        >>> test.images.shape, test.labels.shape
        ((4, 32, 32, 3), (4, 32, 32))
    """
    check_counts("shapes", size=size, train_images=train_images, test_images=test_images)

    def load(name: SplitName) -> Split:
        rng = np.random.default_rng(SEEDS[name])
        drawn = [_draw(rng, size) for _ in range(train_images if name == "train" else test_images)]
        images, masks = (np.stack(parts) for parts in zip(*drawn, strict=True))
        return Split(images, masks)

    return ImageDataset("shapes", (size, size, 3), CLASS_NAMES, load, f"{train_images} {test_images}", masks=True)


def _draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image uint8 `[H, W, 3]` and its mask uint8 `[H, W]`."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, wavelength = rng.uniform(0, np.pi), rng.uniform(4.0, 16.0) * size / 64
    waves = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / wavelength)[..., None]
    image = rng.normal(COLORS[0], SCATTER) + rng.uniform(-40, 40, 3) * waves
    mask = np.zeros((size, size), np.uint8)
    for _ in range(rng.integers(2, 6)):
        label = rng.integers(1, len(CLASS_NAMES))
        distance = _signed_distance(label, x, y, rng, size)
        color = rng.normal(COLORS[label], SCATTER) + rng.uniform(-20, 20) * waves
        image = np.where(distance[..., None] < 0, color, image)
        mask = np.where(distance < 0, label, mask)
        mask = np.where(np.abs(distance) < VOID_WIDTH, IGNORED, mask)
    image = image + rng.normal(0, 8, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), mask.astype(np.uint8)


def _signed_distance(label: int, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Returns each pixel's distance from the outline of a random shape, `[H, W]`, negative inside.

    Args:
        label: Integer. Class of the shape; its place, size and rotation are random.
        x: Float32 array `[H, W]`. Column of each pixel.
        y: Float32 array `[H, W]`. Row of each pixel.
        rng: NumPy random generator.
        size: Integer. Height and width of the image, in pixels.
    """
    radius, angle = rng.uniform(0.12, 0.24) * size, rng.uniform(0, 2 * np.pi)
    left, top = rng.uniform(0.15, 0.85, 2) * size
    u = np.cos(angle) * (x - left) + np.sin(angle) * (y - top)
    v = np.cos(angle) * (y - top) - np.sin(angle) * (x - left)
    if CLASS_NAMES[label] == "disc":
        return np.hypot(u, v) - radius
    if CLASS_NAMES[label] == "ring":
        return np.abs(np.hypot(u, v) - radius) - 0.3 * radius
    if CLASS_NAMES[label] == "square":
        return np.maximum(np.abs(u), np.abs(v)) - 0.85 * radius
    edges = [np.cos(turn) * u + np.sin(turn) * v for turn in (0.5 * np.pi, 7 / 6 * np.pi, 11 / 6 * np.pi)]
    return np.max(edges, axis=0) - 0.6 * radius
