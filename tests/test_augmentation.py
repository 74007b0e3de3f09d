import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.gradient import BACKEND, differentiate

PADDING = 2


def moved(image, vertical, horizontal, mirrored, fill):
    """Pads, crops and mirrors one image by slicing."""
    padding = ((PADDING, PADDING), (PADDING, PADDING), (0, 0))
    padded = np.stack([np.pad(image[..., c], padding[:2], constant_values=fill[c]) for c in range(image.shape[-1])], -1)
    top, left = PADDING + vertical, PADDING + horizontal
    cropped = padded[top : top + image.shape[0], left : left + image.shape[1]]
    return cropped[:, ::-1] if mirrored else cropped


def test_it_is_padding_cropping_and_mirroring(rng):
    images, fill = rng.normal(size=(64, 6, 8, 3)).astype("float32"), np.array([-1.0, 0.0, 2.0], "float32")
    uniforms = rng.random((64, 3), dtype=np.float32)
    augmented = np.array(dk.RandomCropFlip(PADDING)(ops.convert_to_tensor(images), uniforms, fill))
    shifts = np.floor(uniforms[:, :2] * (2 * PADDING + 1)).astype(int) - PADDING
    assert set(shifts.ravel()) == {-2, -1, 0, 1, 2}
    for image, result, (vertical, horizontal), mirror in zip(images, augmented, shifts, uniforms[:, 2], strict=True):
        np.testing.assert_allclose(result, moved(image, vertical, horizontal, mirror < 0.5, fill), atol=1e-6)


def test_without_flip_nothing_is_mirrored(rng):
    images = rng.normal(size=(16, 6, 6, 1)).astype("float32")
    uniforms = np.full((16, 3), 0.5, "float32") * [1, 1, 0]
    augmented = dk.RandomCropFlip(PADDING, flip=False)(ops.convert_to_tensor(images), uniforms.astype("float32"))
    np.testing.assert_allclose(augmented, images, atol=1e-6)


def test_the_gradient_reaches_the_pixels_that_stay_in_the_image():
    if BACKEND != "tensorflow":
        pytest.skip("outside of a training step, differentiate runs on TensorFlow only")
    import keras

    images, uniforms = keras.Variable(np.ones((1, 5, 5, 1), "float32")), np.array([[0.0, 0.5, 0.9]], "float32")
    augment = dk.RandomCropFlip(1)
    _, _, (gradient,) = differentiate(lambda: (ops.sum(augment(images.value, uniforms)), ()), [images])
    expected = np.ones((5, 5))
    expected[4] = 0  # shifted down by one, the last row leaves the image
    np.testing.assert_allclose(np.array(gradient)[0, ..., 0], expected)


@pytest.mark.parametrize("padding", [-1, 1.5])
def test_a_padding_that_is_no_count_is_refused(padding):
    with pytest.raises(ValueError, match=r"RandomCropFlip\.padding="):
        dk.RandomCropFlip(padding)
