"""Image grids and curves."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLUMNS = 12


def save_class_grid(path: Path, images: np.ndarray, classes: np.ndarray, class_names: Sequence[str]) -> None:
    """Writes a PNG with one row of images per class.

    Args:
        path: of the file.
        images: unit images `[N, H, W, C]` of 1 or 3 channels.
        classes: the class of each `[N]`.
        class_names: a row each; a class without images leaves its row empty.
    """
    height, width, channels = images.shape[1:]
    grid = np.ones((len(class_names) * (height + 2), COLUMNS * (width + 2), channels), dtype=np.float32)
    for row in range(len(class_names)):
        for column, image in enumerate(images[classes == row][:COLUMNS]):
            top, left = row * (height + 2) + 1, column * (width + 2) + 1
            grid[top : top + height, left : left + width] = image
    figure = Figure(figsize=(COLUMNS * 0.5 + 1.2, len(class_names) * 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(grid.squeeze(-1) if channels == 1 else grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks([(row + 0.5) * (height + 2) for row in range(len(class_names))], class_names, fontsize=8)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.savefig(path, format="png", dpi=110)


def curves(title: str, series: dict[str, tuple[list[float], list[float]]], logarithmic: bool = False) -> str:
    """Returns an SVG of lines over epochs.

    Args:
        title: of the plot.
        series: epochs and values by name.
        logarithmic: whether the values' axis is.
    """
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, (epochs, values) in series.items():
        axes.plot(epochs, values, label=name.replace("_", " "), marker="." if len(values) < 30 else None)
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if logarithmic:
        axes.set_yscale("log")
    if series:
        axes.legend(fontsize=8)
    return _svg(figure)


def bars(title: str, names: Sequence[str], counts: Sequence[int]) -> str:
    """Returns an SVG of one bar per class."""
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(names)), counts)
    if len(names) <= 20:
        axes.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > 3 else 0, fontsize=8)
    axes.set(title=title, ylabel="images")
    return _svg(figure)


def histogram(title: str, values: np.ndarray) -> str:
    """Returns an SVG of how often values in [0, 1] occur."""
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=20, range=(0.0, 1.0))
    axes.set(title=title, xlabel="highest probability", ylabel="images")
    return _svg(figure)


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
