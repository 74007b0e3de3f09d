import numpy as np
import pytest

from dfkd_keras.synthesis import DeadLeaves
from tests.synthesis.procedural.parts import HIGH, LOW, latents

SIZE = (48, 64)
RADIUS = 0.28 * 48  # of the largest leaf at the smallest scale
ELLIPSE, RECTANGLE, TRIANGLE = range(3)


def draw(*leaves, channels=1, **values):
    """Draws full white leaves of the first shapes that are given, on black, in the middle."""
    family = DeadLeaves(max_leaves=3)
    presence = [LOW if leaf in leaves else HIGH for leaf in range(3)]
    colors = np.full((4, channels + 1), HIGH)
    colors[0] = LOW  # the ground's
    full = {"density": LOW, "presence": presence, "scale": LOW, "length": HIGH, "aspect": LOW, "angle": LOW}
    shapes = family.latent_shapes((*SIZE, channels))
    values = full | {"hollow": HIGH, "saturation": LOW, "colors": colors} | values
    return np.array(family.draw((*SIZE, channels), **latents(shapes, **values)))[0]


@pytest.mark.parametrize(
    ("leaf", "area"),
    [(ELLIPSE, np.pi * RADIUS**2), (RECTANGLE, 4 * RADIUS**2), (TRIANGLE, 2 * RADIUS**2)],
    ids=["ellipse", "rectangle", "triangle"],
)
def test_a_single_leaf_covers_its_area(leaf, area):
    assert draw(leaf).sum() == pytest.approx(area, rel=0.02)


def test_a_hollow_disc_is_a_ring():
    hole = RADIUS * 0.3
    ring = draw(ELLIPSE, hollow=LOW, thickness=HIGH)
    assert ring.sum() == pytest.approx(np.pi * (RADIUS**2 - hole**2), rel=0.02)
    assert ring[23:25, 31:33].max() == 0.0


def test_a_leaf_may_be_as_thin_as_a_line():
    line = draw(RECTANGLE, aspect=HIGH)
    assert line.sum() < 0.07 * draw(RECTANGLE).sum()
    assert (line[:, :, 0].max(axis=0) > 0.3).sum() == pytest.approx(2 * RADIUS, abs=2)


def test_later_leaves_cover_earlier_ones():
    colors = np.float32([[LOW] * 2, [HIGH] * 2, [0.0] * 2, [HIGH] * 2])
    both = draw(ELLIPSE, RECTANGLE, colors=colors)
    inside = draw(RECTANGLE) == 1.0
    np.testing.assert_allclose(both[inside], 0.5, atol=1e-6)  # nothing is left of the white disc
    assert inside.sum() > 600


def test_without_saturation_colors_are_gray(rng):
    colors = rng.normal(size=(4, 4))
    image = draw(ELLIPSE, RECTANGLE, TRIANGLE, channels=3, colors=colors)
    np.testing.assert_allclose(image[..., 0], image[..., 2], atol=1e-6)
    colorful = draw(ELLIPSE, RECTANGLE, TRIANGLE, channels=3, colors=colors, saturation=HIGH)
    assert np.abs(colorful[..., 0] - colorful[..., 2]).max() > 0.1


def test_the_number_of_leaves_differs_from_image_to_image(rng):
    family, shape = DeadLeaves(), (32, 32, 1)
    images = np.array(family(rng.normal(size=(64, family.latent_dim(shape))).astype("float32"), shape))
    ground = [np.unique(image.round(2), return_counts=True)[1].max() / image.size for image in images]
    assert min(ground) < 0.3 and max(ground) > 0.8


def test_there_is_at_least_a_leaf_of_each_kind():
    with pytest.raises(ValueError, match=r"DeadLeaves\.max_leaves=2 must be a whole number of at least 3"):
        DeadLeaves(2)
