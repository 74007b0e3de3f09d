"""Pictures show names as they are, whatever is in them."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from dfkd_keras.experiment.reporting.plots import LONGEST_LABEL, bars, curves, label, save_class_grid, save_mask_grid

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
    for name in ("grid.png", "masks.png"):
        assert max(size(tmp_path / name)) < 2000, "no name makes the picture a large one"


@pytest.mark.filterwarnings("error:constrained_layout not applied")
def test_plots_are_drawn_with_names_of_any_kind():
    for plot in (bars("$$", HARD, range(len(HARD))), curves("$$", {str(name): ([1, 2], [3.0, 4.0]) for name in HARD})):
        assert ElementTree.fromstring(plot).tag.endswith("svg")
