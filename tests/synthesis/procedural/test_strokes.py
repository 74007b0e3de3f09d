import numpy as np
import pytest

from dfkd_keras.synthesis import Strokes
from tests.synthesis.procedural.parts import HIGH, LOW, latents


def draw(size=(64, 64), channels=1, count=1, **values):
    """Draws white glyphs on black, of the largest size and in the middle."""
    family = Strokes()
    plain = {"scale": HIGH, "contrast": HIGH, "ground": LOW, "saturation": LOW}
    shapes = family.latent_shapes((*size, channels))
    return np.array(family.draw((*size, channels), **latents(shapes, count, **plain | values)))


@pytest.mark.parametrize("size", [(64, 64), (50, 77)])
@pytest.mark.parametrize(("thickness", "half"), [(LOW, 0.9 * 0.03), (HIGH, 0.9 * 0.1)])
def test_a_stroke_that_does_not_turn_is_a_thick_line(size, thickness, half):
    line = draw(size, lifts=LOW, thickness=thickness)  # all but the first are lifted
    area = ((0.9 - 2 * half) * 2 * half + np.pi * half**2) * min(size) ** 2
    assert line.sum() == pytest.approx(area, rel=0.03)


def test_glyphs_have_their_size_whatever_the_pen_did(rng):
    pen = {name: rng.normal(size=(32, 4)) for name in ("lifts", "corners", "curvatures", "lengths")}
    for image in draw(count=32, thickness=LOW, **pen)[..., 0]:
        seen = image > 0.5
        extent = max(np.ptp(np.flatnonzero(seen.any(axis=axis))) for axis in range(2))
        assert extent == pytest.approx(64 * 0.9 - 1, abs=1.5)


def test_a_lifted_pen_leaves_no_stroke():
    pen = {"corners": [0.0, 1.0, 1.0, 1.0]}
    full, interrupted = draw(lifts=HIGH, **pen), draw(lifts=[HIGH, LOW, HIGH, HIGH], **pen)
    assert interrupted.sum() < 0.95 * full.sum()


def test_glyphs_stay_within_the_image_wherever_they_are_put(rng):
    place = rng.normal(size=(16, 1, 2)) * 10
    images = draw((40, 60), count=16, scale=LOW, thickness=LOW, place=place, corners=[0.0, 1.0, -1.0, 1.0])
    sums = images.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, sums[0], rtol=0.03)


def test_the_ink_is_lighter_than_the_ground(rng):
    values = {name: rng.normal(size=(64, 1)) for name in ("contrast", "ground")}
    images = draw(count=64, lifts=LOW, thickness=HIGH, **values)
    ground, ink = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    assert ((ink - ground) > 0.39).all()
    assert 0.3 < (ground == 0).mean() < 0.7
    assert ink.max() < 1.0 + 1e-5


def test_strokes_are_counted_in_whole_numbers():
    with pytest.raises(ValueError, match=r"Strokes\.max_strokes=0 must be a whole number of at least 1"):
        Strokes(0)
