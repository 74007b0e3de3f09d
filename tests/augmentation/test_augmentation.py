import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import augmentation
from dfkd_keras.backend.gradient import BACKEND, differentiate
from dfkd_keras.images import InputConvention
from tests.objectives.test_terms import gradient_of

PADDING = 2


def moved(image, vertical, horizontal, mirrored):
    """Pads, crops and mirrors one image by slicing."""
    padded = np.pad(image, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    top, left = PADDING + vertical, PADDING + horizontal
    cropped = padded[top : top + image.shape[0], left : left + image.shape[1]]
    return cropped[:, ::-1] if mirrored else cropped


def test_it_is_padding_cropping_and_mirroring(rng):
    images = rng.normal(size=(64, 6, 8, 3)).astype("float32")
    uniforms = rng.random((64, 3), dtype=np.float32)
    augmented = np.array(dk.augmentation.RandomCropFlip(PADDING)(ops.convert_to_tensor(images), uniforms))
    shifts = np.floor(uniforms[:, :2] * (2 * PADDING + 1)).astype(int) - PADDING
    assert set(shifts.ravel()) == {-2, -1, 0, 1, 2}
    for image, result, (vertical, horizontal), mirror in zip(images, augmented, shifts, uniforms[:, 2], strict=True):
        np.testing.assert_allclose(result, moved(image, vertical, horizontal, mirror < 0.5), atol=1e-6)


def test_without_flip_nothing_is_mirrored(rng):
    images = rng.normal(size=(16, 6, 6, 1)).astype("float32")
    uniforms = np.full((16, 3), 0.5, "float32") * [1, 1, 0]
    augmented = dk.augmentation.RandomCropFlip(PADDING, flip=False)(
        ops.convert_to_tensor(images), uniforms.astype("float32")
    )
    np.testing.assert_allclose(augmented, images, atol=1e-6)


def test_the_gradient_reaches_the_pixels_that_stay_in_the_image():
    if BACKEND != "tensorflow":
        pytest.skip("outside of a training step, differentiate runs on TensorFlow only")
    images, uniforms = keras.Variable(np.ones((1, 5, 5, 1), "float32")), np.array([[0.0, 0.5, 0.9]], "float32")
    augment = dk.augmentation.RandomCropFlip(1)
    _, _, (gradient,) = differentiate(lambda: (ops.sum(augment(images.value, uniforms)), ()), [images])
    expected = np.ones((5, 5))
    expected[4] = 0  # shifted down by one, the last row leaves the image
    np.testing.assert_allclose(np.array(gradient)[0, ..., 0], expected)


@pytest.mark.parametrize("padding", [-1, 1.5])
def test_a_padding_that_is_no_count_is_refused(padding):
    with pytest.raises(ValueError, match=r"RandomCropFlip\.padding="):
        dk.augmentation.RandomCropFlip(padding)


def bilinear(image, row, column):
    """The value of an image `[H, W]` at a position, with the border's value outside."""
    row, column = np.clip(row, 0, image.shape[0] - 1), np.clip(column, 0, image.shape[1] - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
    down, across = row - top, column - left
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return upper * (1 - down) + lower * down


def test_resized_crop_equals_numpy(rng):
    images = rng.normal(size=(3, 8, 6, 2)).astype("float32")
    uniforms = rng.random((3, 8)).astype("float32")
    cropped = np.array(augmentation.RandomResizedCropFlip((0.25, 1.0), (0.5, 2.0), flip=False)(images, uniforms))
    for image, result, u in zip(images, cropped, uniforms, strict=True):
        area, ratio = 0.25 + 0.75 * u[3], np.exp(np.log(0.5) + u[4] * np.log(4.0))
        ratio *= 8 / 6  # of the shares
        tall, wide = min(np.sqrt(area / ratio), 1.0), min(np.sqrt(area * ratio), 1.0)
        for y, x in np.ndindex(8, 6):
            row = (y + 0.5) * tall + u[5] * (1 - tall) * 8 - 0.5
            column = (x + 0.5) * wide + u[6] * (1 - wide) * 6 - 0.5
            np.testing.assert_allclose(result[y, x, 0], bilinear(image[:, :, 0], row, column), atol=1e-4)


def test_resized_crop_of_the_whole_image_is_the_image_or_its_mirror(rng):
    images = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    uniforms = np.array([[0.5] * 7 + [0.1], [0.5] * 7 + [0.9]], "float32")
    whole = augmentation.RandomResizedCropFlip((1.0, 1.0), (1.0, 1.0))(images, uniforms)
    np.testing.assert_allclose(whole[0], images[0, :, ::-1], atol=1e-5)
    np.testing.assert_allclose(whole[1], images[1], atol=1e-5)


def test_roll_shifts_the_whole_batch_by_one_offset_around_the_border(rng):
    images = rng.normal(size=(3, 8, 8, 2)).astype("float32")
    uniforms = np.zeros((3, 8), "float32")
    uniforms[0, :3] = (0.99, 0.5, 0.9)  # of -2..2: +2 down, 0 across, no mirror
    np.testing.assert_allclose(augmentation.RollFlip(2, flip=True)(images, uniforms), np.roll(images, 2, axis=1))
    uniforms[0, 2] = 0.1
    mirrored = augmentation.RollFlip(2, flip=True)(images, uniforms)
    np.testing.assert_allclose(mirrored, np.roll(images, 2, axis=1)[:, :, ::-1])


def test_roll_reaches_every_offset_equally_often(rng):
    image = np.zeros((1, 8, 8, 1), "float32")
    image[0, 4, 4] = 1.0
    counts = np.zeros((8, 8))
    for u in rng.random((2500, 1, 8)).astype("float32"):
        counts += np.array(augmentation.RollFlip(2)(image, u))[0, :, :, 0]
    assert (counts[2:7, 2:7] > 50).all()
    assert counts[2:7, 2:7].sum() == 2500


def variant(images, index):
    uniforms = np.full((len(images), 8), (index + 0.5) / 103, "float32")
    return np.array(augmentation.DataImpressionAugmentation()(images, uniforms))


def test_data_impressions_have_the_authors_103_geometric_variants(rng):
    images = rng.normal(size=(1, 10, 10, 2)).astype("float32")
    results = np.stack([variant(images, index)[0] for index in range(103)])
    np.testing.assert_allclose(results[0], images[0], atol=1e-5)
    for left, right in ((18, np.s_[:, ::-1]), (19, np.s_[::-1])):
        np.testing.assert_allclose(results[left], images[0][right], atol=1e-5)
    np.testing.assert_allclose(results[20], images[0].transpose(1, 0, 2), atol=1e-5)
    distances = np.abs(results[:, None] - results[None]).max(axis=(2, 3, 4))
    assert (distances[~np.eye(103, dtype=bool)] > 1e-3).mean() > 0.98


def test_data_impressions_are_rotated_about_the_center_of_images_of_any_shape():
    images = np.zeros((1, 9, 17, 1), "float32")
    images[0, 4, 8 + 3] = 1.0  # three to the right of the center
    turned = variant(images, 8)[0, :, :, 0]  # by -90 degrees
    assert np.argwhere(turned > 0.99).tolist() in ([[4 + 3, 8]], [[4 - 3, 8]])


def test_crops_of_no_size_are_refused():
    for kwargs in ({"scale": (0.0, 1.0)}, {"scale": (0.5, 1.5)}, {"ratio": (2.0, 1.0)}):
        with pytest.raises(ValueError, match=r"RandomResizedCropFlip\.(scale|ratio)=.* must be two positive"):
            augmentation.RandomResizedCropFlip(**kwargs)


def test_data_impressions_are_shifted_by_a_fifth_and_filled_with_black(rng):
    images = rng.normal(size=(1, 10, 10, 1)).astype("float32")
    shifted = variant(images, 4)[0]
    np.testing.assert_allclose(shifted[:, :8], images[0, :, 2:], atol=1e-4)
    np.testing.assert_allclose(shifted[:, 8:], 0.0, atol=1e-4)


def test_the_gradient_passes_through_resized_crops_and_rolls(rng):
    for augment in (augmentation.RandomResizedCropFlip(), augmentation.RollFlip()):
        uniforms = ops.convert_to_tensor(rng.random((2, 8)).astype("float32"))
        gradient = gradient_of(lambda x, a=augment, u=uniforms: ops.sum(a(1.0 * x, u)), np.ones((2, 8, 8, 1)))
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).sum() > 1


def test_half_of_the_images_keep_their_range_and_the_others_share_the_rest():
    images = np.random.default_rng(0).random((400, 2, 2, 3), "float32")
    uniforms = np.random.default_rng(1).random((400, 8), "float32")
    ranges = ["-1..1", "0..1", "0..255", "imagenet", "caffe"]
    shown = InputConvention("-1..1", "rgb").from_unit(
        augmentation.RandomInputRange("-1..1", ranges[1:])(images, uniforms)
    )
    expected = [InputConvention(name, "rgb").from_unit(images) for name in ranges]
    found = [np.isclose(shown, each, atol=1e-3).all(axis=(1, 2, 3)) for each in expected]
    np.testing.assert_array_equal(np.sum(found, axis=0), 1)  # each image is in one of them
    shares = np.mean(found, axis=1)
    assert 0.43 < shares[0] < 0.57 and (shares[1:] > 0.07).all() and (shares[1:] < 0.19).all()
    np.testing.assert_array_equal(found[0], uniforms[:, -1] < 0.5)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_ranges_fit_any_number_of_channels(channels):
    images = np.random.default_rng(0).random((8, 2, 2, channels), "float32")
    shown = augmentation.RandomInputRange("0..255", ["imagenet"])(images, np.full((8, 8), 0.9, "float32"))
    np.testing.assert_allclose(255.0 * shown, InputConvention("imagenet").from_unit(images), atol=1e-4)


def test_an_unknown_range_is_refused():
    with pytest.raises(ValueError, match=r"RandomInputRange\.others\[0\]='normalized' must be one of '0\.\.1'"):
        augmentation.RandomInputRange("0..1", ["normalized"])


@pytest.mark.parametrize(
    "augment",
    [
        augmentation.RandomCropFlip(PADDING),
        augmentation.RandomInputRange("0..1", ("0..255",)),
        augmentation.RandomResizedCropFlip(),
        augmentation.RollFlip(PADDING),
        augmentation.DataImpressionAugmentation(),
    ],
    ids=lambda augment: type(augment).__name__,
)
@pytest.mark.parametrize(
    "kind", [np.asarray, ops.convert_to_tensor, np.ndarray.tolist], ids=["array", "tensor", "list"]
)
def test_doubles_do_as_well(rng, augment, kind):
    images, uniforms = rng.random((2, 6, 8, 3)), rng.random((2, 8))
    augmented = augment(kind(images), kind(uniforms))
    expected = augment(*(ops.convert_to_tensor(values.astype("float32")) for values in (images, uniforms)))
    assert keras.backend.standardize_dtype(augmented.dtype) == "float32"
    np.testing.assert_allclose(augmented, expected, atol=1e-5)
