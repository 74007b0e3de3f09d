import numpy as np
import pytest

from dfkd_keras.synthesis import NoisePyramids
from tests.synthesis.procedural.parts import HIGH, LOW, latents, uniform

SHAPE = (24, 32, 1)
LEVELS = (1, 2, 4, 8)
PYRAMIDS = NoisePyramids(max_cells=8)


def draw(level, rng, **values):
    """Draws an image in which one level, of random cells, has all the weight; returns it and the cells."""
    cells = LEVELS[level]
    grid = rng.normal(size=(cells, cells)).astype("float32")
    values = {"shifts": LOW, "common": 1.0, f"grid_{cells}": grid} | values
    weights = np.where(np.arange(len(LEVELS)) == level, HIGH, LOW)
    images = PYRAMIDS.draw(SHAPE, **latents(PYRAMIDS.latent_shapes(SHAPE), weights=weights, **values))
    return np.array(images)[0, :, :, 0], grid


@pytest.mark.parametrize("level", range(len(LEVELS)))
def test_a_pyramid_of_one_sharp_level_is_the_enlarged_grid(level, rng):
    image, grid = draw(level, rng, smoothness=LOW)
    rows, columns = SHAPE[0] // LEVELS[level], SHAPE[1] // LEVELS[level]
    np.testing.assert_allclose(image, uniform(grid.repeat(rows, axis=0).repeat(columns, axis=1)), atol=1e-5)


def test_a_shift_moves_the_cells_around(rng):
    shift = -0.6744898  # whose uniform number is a quarter
    image, grid = draw(2, rng, smoothness=LOW, shifts=[[LOW, shift]])
    enlarged = uniform(grid.repeat(6, axis=0).repeat(8, axis=1))
    np.testing.assert_allclose(image, np.roll(enlarged, -8, axis=1), atol=1e-5)


def test_smooth_cells_have_no_edges_and_the_grids_values_in_their_middles(rng):
    (sharp, grid), (smooth, _) = draw(2, rng, smoothness=LOW), draw(2, np.random.default_rng(0), smoothness=HIGH)
    assert np.abs(np.diff(smooth, axis=1)).max() < 0.5 * np.abs(np.diff(sharp, axis=1)).max()
    middles = (smooth[2::6] + smooth[3::6])[:, 3::8] + (smooth[2::6] + smooth[3::6])[:, 4::8]
    np.testing.assert_allclose(middles / 4, uniform(grid), atol=0.06)


@pytest.mark.parametrize("smoothness", [LOW, 0.0, HIGH])
def test_equal_cells_make_a_plain_image(smoothness):
    shapes = PYRAMIDS.latent_shapes(SHAPE)
    weights = [LOW, LOW, HIGH, LOW]
    images = PYRAMIDS.draw(SHAPE, **latents(shapes, smoothness=smoothness, weights=weights, common=1.0, grid_4=0.3))
    np.testing.assert_allclose(images, uniform(0.3), atol=1e-5)


def test_values_are_uniform_over_images(rng):
    images = np.array(PYRAMIDS(rng.normal(size=(400, PYRAMIDS.latent_dim((8, 8, 3)))).astype("float32"), (8, 8, 3)))
    assert images.mean() == pytest.approx(0.5, abs=0.02)
    assert 0.25 < images.std() < 1 / np.sqrt(12) + 0.01  # smooth cells are less extreme


@pytest.mark.parametrize(
    ("max_cells", "shape", "numbers"),
    [(32, (32, 32, 3), 1365 * 3), (32, (224, 224, 3), 1365 * 3), (32, (8, 8, 1), 85), (6, (33, 20, 1), 21)],
)
def test_the_most_cells_bound_the_random_numbers(max_cells, shape, numbers):
    shapes = NoisePyramids(max_cells).latent_shapes(shape)
    assert sum(np.prod(each) for name, each in shapes.items() if name.startswith("grid")) == numbers


def test_cells_are_counted_in_whole_numbers():
    with pytest.raises(ValueError, match=r"NoisePyramids\.max_cells=0 must be a whole number of at least 1"):
        NoisePyramids(0)
