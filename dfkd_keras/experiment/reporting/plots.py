"""Image grids, curves and histograms."""

import colorsys
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dfkd_keras.metrics import IGNORED
from dfkd_keras.utils.optional_imports import require_package
from dfkd_keras.utils.text import printable

COLUMNS = 12
SHOWN_CLASSES, SHOWN_PIXELS = 20, 64  # rows of a grid, and the height and width of its images
SHOWN_WITH_MASKS = 12  # images in a grid of masks
LONGEST_LABEL, LONGEST_TITLE = 40, 70  # characters


def make_figure(width: float, height: float) -> Any:
    """Returns an empty Matplotlib figure, which needs no display.

    Args:
        width: Float. Width in inches.
        height: Float. Height in inches.

    Raises:
        MissingDependencyError: If Matplotlib is not installed.
    """
    return require_package("matplotlib.figure", "matplotlib").Figure(figsize=(width, height), layout="constrained")


def label(text: Any, longest: int = LONGEST_LABEL) -> str:
    """Returns a text, such as the name of a class, so that Matplotlib draws it as it is.

    Dollar signs would begin formulas, control characters are no glyphs, a legend leaves out what begins with an
    underscore, and a long text leaves no room for the picture.

    Args:
        text: String, or what is shown as one.
        longest: Integer. Characters of it at most. Defaults to 40.
    """
    shown = printable(str(text))
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def save_class_grid(path: Path | BinaryIO, images: np.ndarray, classes: np.ndarray, class_names: Sequence[str]) -> None:
    """Writes a PNG with one row of images per class.

    Args:
        path: `Path`, or a binary file. Where to write.
        images: Float array `[N, H, W, C]`. Unit images with 1 or 3 channels.
        classes: Integer array `[N]`. The class of each image.
        class_names: Sequence of strings. One per class; the row of a class without images stays empty. Of more than
            `SHOWN_CLASSES`, those with the most images are drawn.
    """
    shown = range(len(class_names))
    if len(class_names) > SHOWN_CLASSES:
        shown = np.sort(np.argsort(-np.bincount(classes, minlength=len(class_names)), kind="stable")[:SHOWN_CLASSES])
    rows = [images[np.flatnonzero(classes == shown_class)[:COLUMNS]] for shown_class in shown]
    save_image_rows(path, {"": (COLUMNS, rows)}, [class_names[shown_class] for shown_class in shown])


def save_image_rows(
    path: Path | BinaryIO, parts: Mapping[str, tuple[int, Sequence[np.ndarray]]], names: Sequence[str]
) -> None:
    """Writes a PNG with one row of images per name, in parts side by side.

    Args:
        path: `Path`, or a binary file. Where to write.
        parts: Dictionary. By its title, how many columns a part has, and the images of each row in it: float arrays
            `[N, H, W, C]` of unit images with 1 or 3 channels, of as many as there are columns at most.
        names: Sequence of strings. One per row.
    """
    pictures = [_tiled(rows, columns) for columns, rows in parts.values()]
    height, gap = pictures[0].shape[0], pictures[0].shape[0] // len(names) // 4
    spaced = [np.pad(picture, ((0, 0), (0, gap), (0, 0)), constant_values=1.0) for picture in pictures]
    grid, starts = np.concatenate(spaced, axis=1), np.cumsum([0, *(picture.shape[1] for picture in spaced)])
    figure = make_figure(sum(columns for columns, _ in parts.values()) * 0.5 + 1.2, len(names) * 0.5 + 0.3 * any(parts))
    axes = figure.subplots()
    axes.imshow(grid.squeeze(-1) if grid.shape[-1] == 1 else grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks((np.arange(len(names)) + 0.5) * height / len(names), list(map(label, names)), fontsize=8)
    centers = [start + picture.shape[1] / 2 for start, picture in zip(starts, pictures, strict=False)]
    axes.set_xticks(centers, list(map(label, parts)), fontsize=8)
    axes.xaxis.tick_top()
    _hide_frame(axes)
    figure.savefig(path, format="png", dpi=110)


def _tiled(rows: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Returns rows of framed images `[N, H, W, C]` as one picture, white where a row has fewer images than columns."""
    step = max(1, math.ceil(max(rows[0].shape[1:3]) / SHOWN_PIXELS))
    blank = np.ones((columns, *rows[0][:, ::step, ::step].shape[1:]), np.float32)
    filled = [np.concatenate([images[:, ::step, ::step], blank[len(images) :]]) for images in rows]
    return _side_by_side([np.concatenate(filled)], columns)


def save_mask_grid(path: Path, images: np.ndarray, masks: Mapping[str, np.ndarray], class_names: Sequence[str]) -> None:
    """Writes a PNG with images and their masks side by side, and a legend of the classes.

    Args:
        path: `Path`. Path of the file.
        images: Float array `[N, H, W, C]`. Unit images with 1 or 3 channels; the first `SHOWN_WITH_MASKS` are drawn.
        masks: Dictionary of integer arrays `[N, H, W]` by their title, such as "teacher". Pixels labeled `IGNORED` are
            black.
        class_names: Sequence of strings. One per class.
    """
    colors, images = _class_colors(len(class_names)), images[:SHOWN_WITH_MASKS]
    palette = np.zeros((IGNORED + 1, 3), np.float32)
    palette[: len(class_names)] = colors
    painted = [palette[mask[: len(images)]] for mask in masks.values()]
    parts = [np.broadcast_to(images, (*images.shape[:3], 3)), *painted]
    titles = ["image", *map(label, masks)] * max(1, 9 // len(parts))
    grid = _side_by_side(parts, len(titles) // len(parts))
    figure = make_figure(11.0, 11.0 * grid.shape[0] / grid.shape[1] + 0.8)
    axes = figure.subplots()
    axes.imshow(grid, interpolation="nearest")
    axes.set_xticks([(column + 0.5) * grid.shape[1] / len(titles) for column in range(len(titles))], titles, fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks([])
    _hide_frame(axes)
    patch = require_package("matplotlib.patches", "matplotlib").Patch
    patches = [patch(color=color, label=label(name)) for color, name in zip(colors, class_names, strict=True)]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(8, len(patches)), fontsize=8)
    figure.savefig(path, format="png", dpi=110)


def _hide_frame(axes: Any) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _side_by_side(parts: Sequence[np.ndarray], per_row: int) -> np.ndarray:
    """Returns one picture `[H', W', 3]` of all parts `[N, H, W, 3]`, `per_row` examples in a row."""
    framed = [np.pad(part, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0) for part in parts]
    examples = np.concatenate(framed, axis=2)
    blank = np.ones((-len(examples) % per_row, *examples.shape[1:]), np.float32)
    examples = np.concatenate([examples, blank])
    rows = [
        np.concatenate(list(examples[start : start + per_row]), axis=1) for start in range(0, len(examples), per_row)
    ]
    return np.concatenate(rows)


def _class_colors(num_classes: int) -> list[tuple[float, float, float]]:
    """Returns RGB colors that are easy to distinguish, those of neighboring classes in particular."""
    return [colorsys.hsv_to_rgb(0.618034 * index % 1.0, 0.75, (1.0, 0.7)[index % 2]) for index in range(num_classes)]


def curves(title: str, series: dict[str, tuple[list[float], list[float]]], logarithmic: bool = False) -> str:
    """Returns an SVG of curves over epochs.

    Args:
        title: String. Title of the plot.
        series: Dictionary. For each name a list of epochs and a list of values.
        logarithmic: Boolean. Whether the vertical axis is logarithmic. Defaults to False.
    """
    figure = make_figure(5.2, 3.2)
    axes = figure.subplots()
    for name, (epochs, values) in series.items():
        axes.plot(epochs, values, label=label(name.replace("_", " ")), marker="." if len(values) < 30 else None)
    axes.set(title=label(title, LONGEST_TITLE), xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if logarithmic:
        axes.set_yscale("log")
    if series:
        axes.legend(fontsize=8)
    return _svg(figure)


def bars(
    title: str,
    names: Sequence[str],
    heights: Sequence[float],
    unit: str = "images",
    numbers: Sequence[int] | None = None,
) -> str:
    """Returns an SVG of one bar per class.

    Args:
        title: String. Title of the plot.
        names: Sequence of strings. One per class.
        heights: Sequence of numbers. One per class.
        unit: String. What is shown. Defaults to "images".
        numbers: Sequence of integers. What is written at each bar. Defaults to None, nothing.
    """
    figure, names = make_figure(5.2, 3.2), list(map(label, names))
    axes = figure.subplots()
    drawn = axes.bar(range(len(names)), heights)
    if numbers is not None:
        axes.bar_label(drawn, [f"{number:,}" for number in numbers], fontsize=7)
    if len(names) <= 20:
        axes.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > 3 else 0, fontsize=8)
    axes.set(title=label(title, LONGEST_TITLE), ylabel=unit)
    return _svg(figure)


def histogram(title: str, values: np.ndarray) -> str:
    """Returns an SVG of a histogram.

    Args:
        title: String. Title of the plot.
        values: Float array in [0, 1].
    """
    figure = make_figure(5.2, 3.2)
    axes = figure.subplots()
    axes.hist(values, bins=20, range=(0.0, 1.0))
    axes.set(title=label(title, LONGEST_TITLE), xlabel="highest probability", ylabel="images")
    return _svg(figure)


def reliability(title: str, series: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Returns an SVG of how often networks are right by how sure they are; where both are the same is a dotted line.

    Args:
        title: String. Title of the plot.
        series: Dictionary. For each network, confidences and shares of right answers, in [0, 1].
    """
    figure = make_figure(5.2, 3.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="gray", label="as right as sure")
    for name, (confidences, right) in series.items():
        axes.plot(confidences, right, marker="o", label=label(name))
    axes.set(title=label(title, LONGEST_TITLE), xlabel="highest probability", ylabel="share that is right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return _svg(figure)


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
