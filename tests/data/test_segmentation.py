import numpy as np
import pytest
from PIL import Image

from dfkd_keras.data import nyuv2, shapes, tfds_segmentation
from dfkd_keras.data.dataset import remap_labels, resize_masks
from dfkd_keras.data.nyuv2 import CLASS_NAMES
from dfkd_keras.data.segmentation_augmentation import ShiftFlipSequence
from dfkd_keras.metrics import IGNORED


def test_shapes_are_the_same_at_every_call_and_differ_between_splits():
    data = shapes(32, train_images=20, test_images=10)
    train, test = data.load("train"), data.load("test")
    assert (data.image_shape, data.num_classes, data.masks) == ((32, 32, 3), 5, True)
    assert train.images.shape == (20, 32, 32, 3) and train.labels.shape == (20, 32, 32)
    assert train.images.dtype == train.labels.dtype == np.uint8
    np.testing.assert_array_equal(train.images, shapes(32, 20, 10).load("train").images)
    assert not np.array_equal(train.images[:10], test.images)


def test_shapes_have_all_classes_and_pixels_of_none():
    labels = shapes(32, train_images=40).load("train").labels
    assert sorted(np.unique(labels)) == [0, 1, 2, 3, 4, IGNORED]
    assert 0.4 < np.mean(labels == 0) < 0.85 and 0 < np.mean(labels == IGNORED) < 0.2


def test_masks_are_resized_to_the_nearest_label():
    mask = np.array([[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]], np.uint8)
    np.testing.assert_array_equal(resize_masks(mask, (2, 2)), [[[0, 1], [2, 3]]])
    np.testing.assert_array_equal(resize_masks(mask, (4, 4)), mask)
    assert resize_masks(mask, (3, 8)).shape == (1, 3, 8)


def test_labels_begin_at_the_first_and_the_ignored_one_is_void():
    masks = remap_labels(np.array([[[0, 1, 3]]]), 3, ignore_label=0, first_label=1)
    np.testing.assert_array_equal(masks, [[[IGNORED, 0, 2]]])


def test_several_labels_may_be_void():
    masks = remap_labels(np.array([[[0, 1, 2, 200]]]), 1, ignore_label=(0, 2, 200), first_label=1)
    np.testing.assert_array_equal(masks, [[[IGNORED, 0, IGNORED, IGNORED]]])


@pytest.mark.parametrize("label", [-1, 3, 200])
def test_a_label_that_is_no_class_is_refused(label):
    with pytest.raises(ValueError, match=f"a mask holds the label {label}, but there are 3 classes"):
        remap_labels(np.array([[[0, label]]]), 3, ignore_label=11)


def test_images_and_masks_move_together(rng):
    masks = rng.integers(1, 5, (6, 16, 24)).astype(np.uint8)
    images = np.repeat(masks[..., None] * 20, 3, axis=-1)
    batches = ShiftFlipSequence(images, masks, batch_size=4, seed=0)
    assert len(batches) == 2 and batches[1][0].shape == (2, 16, 24, 3)
    moved = [batches[index] for index in range(2)]
    for image, mask in ((image, mask) for pair in moved for image, mask in zip(*pair, strict=True)):
        np.testing.assert_array_equal(image[..., 0], np.where(mask == IGNORED, 0, mask * 20))
        assert np.mean(mask == IGNORED) <= 1 - (14 / 16) * (21 / 24)
    assert any(not np.array_equal(mask, masks[place]) for mask, place in zip(moved[0][1], batches.order, strict=False))


@pytest.fixture
def nyuv2_folder(tmp_path, rng):
    """Five made-up pictures in the layout of the published files."""
    for split, numbers in {"train": (1, 2, 10), "test": (3, 4)}.items():
        for number in numbers:
            picture, mask = rng.integers(0, 256, (12, 16, 3), np.uint8), np.full((12, 16), number % 14, np.uint8)
            mask[0] = 0
            for array, kind, name in ((picture, "rgb", "nyu_rgb"), (mask, "labels_13", "new_nyu_class13")):
                (tmp_path / f"{split}_{kind}").mkdir(exist_ok=True)
                Image.fromarray(array).save(tmp_path / f"{split}_{kind}" / f"{name}_{number:04d}.png")
    return tmp_path


def test_nyuv2_pairs_images_and_masks_by_their_numbers(nyuv2_folder):
    data = nyuv2(str(nyuv2_folder), size=(12, 16))
    assert (data.image_shape, data.num_classes) == ((12, 16, 3), 13)
    train = data.load("train")
    assert train.images.shape == (3, 12, 16, 3)
    assert (train.labels[:, 0] == IGNORED).all()
    assert train.labels[:, 1, 0].tolist() == [0, 1, 9]
    assert nyuv2(str(nyuv2_folder), size=(6, 8)).load("test").labels.shape == (2, 6, 8)


def test_nyuv2_reports_what_is_missing_or_wrong(nyuv2_folder):
    (nyuv2_folder / "test_labels_13" / "new_nyu_class13_0004.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"number 4 of the test split .* without a mask"):
        nyuv2(str(nyuv2_folder)).load("test")
    Image.fromarray(np.full((12, 16), 40, np.uint8)).save(nyuv2_folder / "train_labels_13" / "new_nyu_class13_0001.png")
    with pytest.raises(ValueError, match="a mask holds the label 40"):
        nyuv2(str(nyuv2_folder)).load("train")
    with pytest.raises(FileNotFoundError, match=r"nowhere/test_rgb' holds no numbered PNG or JPEG files"):
        nyuv2("nowhere").load("test")


def test_nyuv2_refuses_two_files_of_one_number(nyuv2_folder):
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(nyuv2_folder / "test_rgb" / "copy_4.png")
    with pytest.raises(ValueError, match=r"copy_4\.png' and 'nyu_rgb_0004\.png' have the same number, 4"):
        nyuv2(str(nyuv2_folder)).load("test")


@pytest.mark.parametrize("shape", [(12, 16, 3), (24, 32)])
def test_nyuv2_names_a_mask_that_does_not_fit_its_image(nyuv2_folder, shape):
    name = nyuv2_folder / "test_labels_13" / "new_nyu_class13_0004.png"
    Image.fromarray(np.zeros(shape, np.uint8)).save(name)
    with pytest.raises(ValueError, match=r"class13_0004\.png' has the shape .*, but its image \(12, 16\)"):
        nyuv2(str(nyuv2_folder)).load("test")


def stored(folder, examples, image, mask):
    """Writes examples of an image and a mask, of such features, as TFDS does."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"image": image, "segmentation_mask": mask})
    signature = {name: tf.TensorSpec(feature.shape, feature.dtype) for name, feature in features.items()}
    split = tf.data.Dataset.from_generator(
        lambda: (dict(zip(signature, example, strict=True)) for example in examples), output_signature=signature
    )
    tfds.dataset_builders.store_as_tfds_dataset("made_up", "1.0.0", features, {"test": split}, data_dir=folder)


def test_nyuv2_in_tfds_layout_has_images_of_any_size(tmp_path, rng):
    import tensorflow_datasets as tfds

    sizes = [(12, 16), (24, 32), (6, 8)]
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    masks = [np.full((*size, 1), label, np.uint8) for size, label in zip(sizes, (0, 1, 13), strict=True)]
    features = (tfds.features.Image(shape=(None, None, channels)) for channels in (3, 1))
    stored(tmp_path, list(zip(images, masks, strict=True)), *features)
    given = {"ignore_label": 0, "first_label": 1, "data_dir": str(tmp_path)}
    test = tfds_segmentation("made_up", CLASS_NAMES, (12, 16), **given).load("test")
    assert test.images.shape == (3, 12, 16, 3) and test.labels.shape == (3, 12, 16)
    order = np.argsort(test.labels[:, 5, 5])  # TFDS shuffles what it writes
    assert test.labels[order, 5, 5].tolist() == [0, 12, IGNORED]
    np.testing.assert_array_equal(test.images[order[-1]], images[0])


def test_masks_may_lack_the_channel_axis_but_not_have_several(tmp_path, rng):
    import tensorflow_datasets as tfds

    images = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(2)]
    masks = [np.zeros((8, 8), np.uint8), np.eye(8, dtype=np.uint8)]
    image, mask = tfds.features.Image(shape=(8, 8, 3)), tfds.features.Tensor(shape=(8, 8), dtype=np.uint8)
    stored(tmp_path / "flat", list(zip(images, masks, strict=True)), image, mask)
    stored(tmp_path / "color", list(zip(images, images, strict=True)), image, image)
    flat, color = (
        tfds_segmentation("made_up", ("a", "b"), (8, 8), data_dir=str(tmp_path / kind)) for kind in ("flat", "color")
    )
    np.testing.assert_array_equal(sorted(flat.load("test").labels, key=np.sum), masks)  # TFDS shuffles
    with pytest.raises(ValueError, match=r"'segmentation_mask' of data set 'made_up' has the shape \(8, 8, 3\)"):
        color.load("test")


def test_a_tfds_set_without_the_feature_is_told_what_it_has(tmp_path):
    with pytest.raises(ValueError, match="'mnist' has no feature 'segmentation_mask', only image, label"):
        tfds_segmentation("mnist", ("digit",), data_dir=str(tmp_path)).load("test")


def test_camvid_loads_by_name(tfds_dir):
    names = tuple("abcdefghijk")
    data = tfds_segmentation("camvid", names, (48, 64), ignore_label=11, data_dir=tfds_dir)
    test = data.load("test")
    assert test.images.shape == (233, 48, 64, 3) and test.labels.shape == (233, 48, 64)
    assert sorted(np.unique(test.labels)) == [*range(11), IGNORED]
    with pytest.raises(ValueError, match="a mask holds the label 11"):
        tfds_segmentation("camvid", names, (48, 64), data_dir=tfds_dir).load("test")


def test_a_folder_is_the_same_however_it_is_spelt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spellings = "data", "./data", str(tmp_path / "data")
    assert len({tfds_segmentation("made_up", ("a", "b"), (8, 8), data_dir=name).source for name in spellings}) == 1
