import numpy as np
import pytest
from keras import ops

from dfkd_keras.synthesis.procedural import geometry


def covered(shape, size, half_length, half_width, center=(0.0, 0.0), angle=0.0):
    """The area that a shape covers, in pixels."""
    along, across = geometry.local_coordinates(np.float32([[center]]), np.float32([[angle]]), size)
    lengths = (np.full((1, 1, 1), half, "float32") for half in (half_length, half_width))
    return float(np.sum(geometry.coverage(shape(along, across, *lengths), size)))


@pytest.mark.parametrize("size", [(40, 40), (41, 57), (64, 40)])
@pytest.mark.parametrize("angle", [0.0, 0.7])
@pytest.mark.parametrize(
    ("shape", "area"),
    [(geometry.ellipse, np.pi * 0.3 * 0.2), (geometry.rectangle, 4 * 0.3 * 0.2), (geometry.triangle, 2 * 0.3 * 0.2)],
    ids=["ellipse", "rectangle", "triangle"],
)
def test_shapes_cover_their_area(shape, area, size, angle):
    expected = area * min(size) ** 2
    assert covered(shape, size, 0.3, 0.2, (0.05, -0.03), angle) == pytest.approx(expected, abs=0.02 * expected)


@pytest.mark.parametrize("shape", [geometry.ellipse, geometry.rectangle, geometry.triangle])
def test_edges_are_anti_aliased(shape):
    """A pixel has about the mean of 8 x 8 finer pixels."""

    def drawn(size):
        along, across = geometry.local_coordinates(
            np.zeros((1, 1, 2), "float32"), np.full((1, 1), 0.4, "float32"), size
        )
        distances = shape(along, across, np.full((1, 1, 1), 0.4, "float32"), np.full((1, 1, 1), 0.2, "float32"))
        return np.reshape(geometry.coverage(distances, size), size)

    finer = drawn((256, 320)).reshape(32, 8, 40, 8).mean(axis=(1, 3))
    errors = np.abs(drawn((32, 40)) - finer)
    assert errors.max() < 0.3 and errors[(finer > 0) & (finer < 1)].mean() < 0.06


def test_coordinates_are_centered_and_in_units_of_the_shorter_side():
    along, across = geometry.local_coordinates(np.zeros((1, 1, 2), "float32"), np.zeros((1, 1), "float32"), (2, 4))
    np.testing.assert_allclose(np.reshape(along, (2, 4))[0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(np.reshape(across, (2, 4))[:, 0], [-0.25, 0.25])


def test_a_quarter_turn_swaps_the_axes():
    turned = geometry.local_coordinates(np.zeros((1, 1, 2), "float32"), np.full((1, 1), np.pi / 2, "float32"), (6, 8))
    straight = geometry.local_coordinates(np.zeros((1, 1, 2), "float32"), np.zeros((1, 1), "float32"), (6, 8))
    np.testing.assert_allclose(turned[0], straight[1], atol=1e-6)
    np.testing.assert_allclose(turned[1], -np.array(straight[0]), atol=1e-6)


def test_distances_to_a_disc_are_exact():
    along, across = np.float32([[[0.3, 0.0, -0.1]]]), np.float32([[[0.4, 0.2, 0.0]]])
    radius = np.full((1, 1, 1), 0.2, "float32")
    np.testing.assert_allclose(geometry.ellipse(along, across, radius, radius)[0, 0], [0.3, 0.0, -0.1], atol=1e-6)


def test_a_hollow_shape_keeps_its_edge_alone():
    distances = geometry.hollow(np.float32([-0.5, -0.2, -0.1, 0.0, 0.3]), 0.2)
    np.testing.assert_allclose(distances, [0.3, 0.0, -0.1, 0.0, 0.3], atol=1e-6)


def test_segments_are_measured_from_their_line_and_from_their_ends():
    squared = geometry.segment_squared(np.float32([0.1, 0.7]), np.float32([0.2, 0.4]), 0.4)
    np.testing.assert_allclose(squared, [0.04, 0.25], atol=1e-6)


def test_what_is_seen_of_shapes_is_what_no_later_one_covers(rng):
    coverages = rng.random((2, 3, 5)).astype("float32")
    parts = np.array(geometry.visible_parts(ops.convert_to_tensor(coverages)))
    lowest, middle, top = np.moveaxis(coverages, 1, 0)
    np.testing.assert_allclose(parts[:, 3], top, rtol=1e-5)
    np.testing.assert_allclose(parts[:, 2], middle * (1 - top), rtol=1e-5)
    np.testing.assert_allclose(parts[:, 1], lowest * (1 - middle) * (1 - top), rtol=1e-5)
    np.testing.assert_allclose(parts.sum(axis=1), 1.0, rtol=1e-5)


def test_images_are_the_colors_of_the_parts(rng):
    parts, colors = rng.random((2, 3, 8)).astype("float32"), rng.random((2, 3, 4)).astype("float32")
    images = geometry.fill(ops.convert_to_tensor(parts), ops.convert_to_tensor(colors), (2, 4))
    np.testing.assert_allclose(images, np.einsum("bnp,bnc->bpc", parts, colors).reshape(2, 2, 4, 4), rtol=1e-5)
