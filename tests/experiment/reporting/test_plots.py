"""Pictures show names as they are, whatever is in them."""

from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dfkd_keras.experiment.reporting import plots
from dfkd_keras.experiment.reporting.plots import (
    LONGEST_LABEL,
    bars,
    curves,
    label,
    reliability,
    save_class_grid,
    save_image_rows,
    save_mask_grid,
)

HARD = ("$$", "$x^{$", "a\0\x1b[2J\n", "\udcff", "_hidden", "", "<script>&", 500 * "x", 7, "--> \\")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("$5 $", r"\$5 \$"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("\udcff", r"\udcff"),
        ("_hidden", " _hidden"),
        (7, "7"),
        (500 * "x", (LONGEST_LABEL - 1) * "x" + "…"),
    ],
)
def test_a_text_is_drawn_as_it_is(text, shown):
    assert label(text) == shown


def size(path):
    with Image.open(path) as image:
        return image.size


def test_grids_are_drawn_with_names_of_any_kind(tmp_path, rng):
    images = rng.uniform(size=(6, 8, 8, 3)).astype("float32")
    save_class_grid(tmp_path / "grid.png", images, np.arange(6), HARD)
    save_mask_grid(tmp_path / "masks.png", images, {"$$": rng.integers(0, len(HARD), (6, 8, 8))}, HARD)
    rows = [images[:2], images[:0]]
    save_image_rows(tmp_path / "rows.png", {"$$": (2, rows), "a\0": (3, rows)}, HARD[:2])
    for name in ("grid.png", "masks.png", "rows.png"):
        assert max(size(tmp_path / name)) < 2000, "no name makes the picture a large one"


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_of_a_row_are_side_by_side_and_what_is_missing_is_white(tmp_path, monkeypatch, channels):
    drawn = []
    monkeypatch.setattr(plots, "make_figure", lambda *size: Figure(size))
    monkeypatch.setattr(Axes, "imshow", lambda axes, grid, **_: drawn.append(np.array(grid)))
    black, gray = np.zeros((2, 8, 8, channels), "float32"), np.full((1, 8, 8, channels), 0.5, "float32")
    save_image_rows(tmp_path / "rows.png", {"left": (2, [black, gray]), "right": (1, [gray, black[:0]])}, ["a", "b"])
    grid = drawn[-1].reshape(20, -1, channels)[..., 0]
    assert [grid[5, column] for column in (5, 15)] == [0.0, 0.0] and grid[5, 27] == 0.5
    assert [grid[15, column] for column in (5, 15, 27)] == [0.5, 1.0, 1.0]


@pytest.mark.filterwarnings("error:constrained_layout not applied")
def test_plots_are_drawn_with_names_of_any_kind():
    lines = {str(name): ([0.1, 0.2], [0.3, 0.4]) for name in HARD}
    for plot in (bars("$$", HARD, range(len(HARD))), curves("$$", lines), reliability("$$", lines)):
        assert ElementTree.fromstring(plot).tag.endswith("svg")
