from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dfkd_keras.data import ImageDataset, digits, shapes, tfds, tfds_dataset
from dfkd_keras.data.dataset import resize
from dfkd_keras.utils.errors import InvalidInputError


def test_digits_are_a_fixed_stratified_split_of_real_images():
    train, test = digits().load("train"), digits().load("test")
    assert train.images.shape == (1437, 32, 32, 1) and test.images.shape == (360, 32, 32, 1)
    assert train.images.dtype == np.uint8
    assert np.bincount(test.labels).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
    np.testing.assert_array_equal(digits().load("test").images, test.images)
    assert 0.30 < train.unit_images.mean() < 0.31


def test_no_test_image_is_a_training_image():
    train, test = (digits(8).load(name).images.reshape(-1, 64) for name in ("train", "test"))
    known = {image.tobytes() for image in train}
    assert sum(image.tobytes() in known for image in test) == 0


def test_resizing_keeps_range_and_corners():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    images[:, :2, :2] = 255
    large = resize(images, (8, 8))
    assert large.shape == (2, 8, 8, 1) and large.dtype == np.uint8
    assert large[0, 0, 0, 0] == 255 and large[0, -1, -1, 0] == 0
    assert resize(images, (4, 4)) is images


def test_where_images_shrink_no_pixel_is_passed_over():
    lines = np.zeros((1, 20, 20, 1), np.uint8)
    lines[:, ::5] = 250  # of which every fifth pixel shows nothing, or all
    shrunk = resize(lines, (4, 4))[0, 1:3]
    assert (shrunk > 0).all()
    assert (shrunk < 125).all()


def test_large_images_are_resized_one_at_a_time(monkeypatch):
    resized, chunks = ops.image.resize, []

    def noted(chunk, *args, **kwargs):
        chunks.append(len(chunk))
        return resized(chunk, *args, **kwargs)

    monkeypatch.setattr(ops.image, "resize", noted)
    assert resize(np.zeros((3, 512, 512, 3), np.uint8), (8, 8)).shape == (3, 8, 8, 3)
    assert chunks == [1, 1, 1]


def test_large_images_are_read_one_at_a_time():
    images, read = np.zeros((3, 512, 512, 3), np.uint8), []
    info = SimpleNamespace(splits=["test"], features={"image": SimpleNamespace(shape=images.shape[1:])})
    data = tf.data.Dataset.from_tensor_slices({"image": images})
    builder = SimpleNamespace(info=info, as_dataset=lambda split, shuffle_files: data)
    (seen,) = tfds._read(builder, "test", {"image": lambda batch: read.append(len(batch)) or batch}, download=False)
    assert read == [1, 1, 1] and seen.shape == images.shape


def test_unit_images_lie_between_0_and_1():
    unit = digits().load("test").unit_images
    assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1


def test_an_unknown_data_set_is_named():
    with pytest.raises(ValueError, match="'no_such_set' is unknown to TensorFlow Datasets"):
        tfds_dataset("no_such_set")


def test_missing_data_are_reported_with_both_remedies(tmp_path):
    data = tfds_dataset("mnist", data_dir=str(tmp_path), download=False)
    with pytest.raises(FileNotFoundError) as error:
        data.load("test")
    message = str(error.value)
    assert "'mnist'" in message and str(tmp_path) in message
    assert "TFDS_DATA_DIR" in message and "tfds build mnist" in message
    assert "\n" not in message


def test_a_set_without_labels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no features 'image' and 'label'"):
        tfds_dataset("coco", data_dir=str(tmp_path))


def test_tfds_sets_load_by_name_resized(tfds_dir):
    data = tfds_dataset("mnist", data_dir=tfds_dir)
    assert (data.image_shape, data.num_classes) == ((32, 32, 1), 10)
    test = data.load("test")
    assert test.images.shape == (10_000, 32, 32, 1)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_color_sets_keep_their_classes(tfds_dir):
    data = tfds_dataset("cifar10", data_dir=tfds_dir)
    assert data.image_shape == (32, 32, 3)
    assert data.class_names[:2] == ("airplane", "automobile")


@pytest.mark.parametrize("data", [digits(), shapes(8, 2, 2)], ids=lambda data: data.name)
def test_a_split_of_another_name_is_refused(data):
    with pytest.raises(
        InvalidInputError, match=rf"^{data.name}\.load\.split='valid' must be one of 'train', 'test'\.$"
    ):
        data.load("valid")


IMAGES, LABELS = np.zeros((3, 4, 4, 1), np.uint8), np.arange(3)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((IMAGES / 255.0, LABELS), r"has images float64 \(3, 4, 4, 1\): give uint8 images from 0 to 255 of shape"),
        ((np.zeros((3, 4, 4, 3), np.uint8), LABELS), r"has images uint8 \(3, 4, 4, 3\): give uint8"),
        ((IMAGES, LABELS[:2]), r"has labels of shape \(2,\)"),
        ((IMAGES, np.eye(3)), r"has labels of shape \(3, 3\): give them in the shape \(3,\) \(one-hot"),
        (
            (IMAGES, LABELS + 1),
            r"has the label \[2\] = 3: give each as a whole number from 0 to 2 \(these begin with 1",
        ),
    ],
)
def test_a_split_of_an_own_data_set_is_checked(split, message):
    data = ImageDataset("own", (4, 4, 1), ("a", "b", "c"), lambda name: split)
    with pytest.raises(InvalidInputError, match=f"the test split of data set 'own' {message}"):
        data.load("test")


def test_a_split_may_have_no_labels():
    data = ImageDataset("own", (4, 4, 1), (), lambda name: (IMAGES, None))
    assert data.load("test").labels is None
