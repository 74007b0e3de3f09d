import functools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from dfkd_keras import metrics, models
from dfkd_keras.utils.errors import InvalidInputError


def test_agreement_is_the_fraction_of_equal_entries():
    assert metrics.agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4])) == 0.75


def test_agreement_leaves_out_pixels_of_no_class():
    first, second = np.array([[[0, 1], [1, 2]]]), np.array([[[0, 1], [0, 0]]])
    assert metrics.agreement(first, second) == 0.5
    assert metrics.agreement(first, second, np.array([[[0, 0], [metrics.IGNORED, metrics.IGNORED]]])) == 1.0
    assert metrics.agreement(first[0, 0], second[0, 0], np.array([metrics.IGNORED, 0])) == 1.0  # an image's class


def test_predicted_classes_do_not_depend_on_the_batch_size(rng):
    model, images = models.lenet5_half(), rng.normal(size=(7, 32, 32, 1)).astype("float32")
    classes = metrics.predicted_classes(model, images)
    np.testing.assert_array_equal(classes, np.argmax(model(images), axis=-1))
    np.testing.assert_array_equal(classes, metrics.predicted_classes(model, images, batch_size=3))


def naive_mean_iou(predicted, labels, classes):
    """Pixel by pixel, with sets of their places."""
    ratios = []
    for label in range(classes):
        known = {place for place in np.ndindex(labels.shape) if labels[place] != 255}
        true = {place for place in known if labels[place] == label}
        made = {place for place in known if predicted[place] == label}
        if true | made:
            ratios.append(len(true & made) / len(true | made))
    return sum(ratios) / len(ratios)


@pytest.mark.parametrize("absent", [(), (1,), (0, 3)])
def test_mean_iou_leaves_out_ignored_pixels_and_absent_classes(absent, rng):
    present = [label for label in range(5) if label not in absent]
    labels, predicted = (rng.choice(present, size=(3, 8, 6)).astype(np.uint8) for _ in range(2))
    labels[rng.random(labels.shape) < 0.2] = metrics.IGNORED
    scores = metrics.scores(predicted, labels, 5)
    assert list(scores) == ["mean_iou", "accuracy"]
    assert scores["mean_iou"] == pytest.approx(naive_mean_iou(predicted, labels, 5))
    assert scores["accuracy"] == pytest.approx(np.mean((predicted == labels)[labels != metrics.IGNORED]))


def test_a_class_that_is_predicted_but_never_there_counts_as_0():
    labels, predicted = np.zeros((1, 2, 2), np.uint8), np.array([[[0, 0], [0, 1]]])
    assert metrics.scores(predicted, labels, 3)["mean_iou"] == pytest.approx((0.75 + 0) / 2)


def test_every_class_has_its_iou_and_an_absent_one_none():
    labels, predicted = np.array([[[0, 0, 1, 255]]], np.uint8), np.array([[[0, 1, 1, 0]]])
    np.testing.assert_allclose(metrics.class_ious(predicted, labels, 3), [0.5, 0.5, np.nan])


def test_the_metrics_of_fit_are_the_same_in_batches(rng):
    logits = rng.normal(size=(6, 8, 6, 5)).astype("float32")
    logits[..., 2] = -9.0
    labels = rng.choice([0, 1, 3, metrics.IGNORED], size=(6, 8, 6)).astype(np.uint8)
    measured = metrics.validation_metrics(5, masks=True)
    for metric in measured:
        for batch in range(0, 6, 2):
            metric.update_state(labels[batch : batch + 2], logits[batch : batch + 2])
    expected = metrics.scores(logits.argmax(-1), labels, 5)
    assert {metric.name: float(metric.result()) for metric in measured} == pytest.approx(expected)


def test_further_metrics_come_last_and_need_names_of_their_own():
    def confidence(labels, logits):
        return logits

    assert metrics.validation_metrics(5, masks=True, extra=[functools.partial(confidence)])[-1].name == "partial"
    further = [keras.metrics.MeanAbsoluteError(name="mae"), confidence, "kl_divergence"]
    names = [metric.name for metric in metrics.validation_metrics(5, masks=True, extra=further)]
    assert names[:4] == ["mean_iou", "accuracy", "mae", "confidence"] and len(names) == 5
    with pytest.raises(InvalidInputError, match="mae occurs twice"):
        metrics.validation_metrics(5, masks=False, extra=[further[0], further[0]])


def test_classes_of_images_have_an_accuracy_alone():
    assert metrics.scores(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]), 5) == {"accuracy": 0.75}


def test_large_images_are_evaluated_in_small_batches():
    assert metrics.evaluation_batch_size((100, 32, 32, 3)) == 256
    assert metrics.evaluation_batch_size((128, 128, 3)) == 16
    assert metrics.evaluation_batch_size((4, 2048, 2048, 3)) == 1


def of(input_shape=(4, 4, 1), num_classes=3, is_segmenter=False):
    """Stands for a teacher, of which the shapes are read."""
    return SimpleNamespace(input_shape=input_shape, num_classes=num_classes, is_segmenter=is_segmenter)


PICTURES = np.zeros((3, 4, 4, 1))


@pytest.mark.parametrize("labels", [[0, 1, 2], [0.0, 1.0, 2.0], [[0], [1], [2]]])
def test_validation_labels_are_classes(labels):
    metrics.check_validation_data((PICTURES, np.array(labels)), of())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), r"labels of shape \(3, 3\): give them in the shape \(3,\) \(one-hot labels become such by"),
        ([0, 1], r"labels of shape \(2,\): give them in the shape \(3,\)\.$"),
        ([1, 2, 3], r"label \[2\] = 3: give each as a whole number from 0 to 2 \(these begin with 1: subtract it\)"),
        ([0, 1, 3], r"label \[2\] = 3: give each as a whole number from 0 to 2\.$"),
        ([0, -1, 1], r"label \[1\] = -1: give"),
        ([0, np.nan, 1], r"label \[1\] = nan: give"),
        ([0, 1.5, 1], r"label \[1\] = 1\.5: give"),
        (["a", "b", "c"], r"label \[0\] = 'a': give"),
        ([0, metrics.IGNORED, 1], r"label \[1\] = 255: give"),
    ],
)  # fmt: skip
def test_validation_labels_that_are_no_classes_are_refused(labels, message):
    with pytest.raises(InvalidInputError, match=f"^validation_data has .*{message}"):
        metrics.check_validation_data((PICTURES, np.array(labels)), of())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PICTURES, r"has 1 parts: give \(images, labels\)"),
        ((np.zeros((3, 4, 4, 3)), np.zeros(3)), r"images float64 \(3, 4, 4, 3\): give numbers of shape \('N'"),
        ((np.full((3, 4, 4, 1), "a"), np.zeros(3)), r"images <U1 \(3, 4, 4, 1\)"),
        ((PICTURES[:0], np.zeros(0)), r"has no image: give at least one"),
        ((PICTURES, np.zeros(3), np.ones(2)), r"weights of shape \(2,\): give one for each image"),
    ],
)  # fmt: skip
def test_validation_images_that_do_not_fit_are_refused(data, message):
    with pytest.raises(InvalidInputError, match=message):
        metrics.check_validation_data(data, of())


@pytest.mark.parametrize("images", [None, (PICTURES, np.zeros(3)), [PICTURES, np.zeros(3)]])
def test_images_to_evaluate_come_with_labels_of_their_own(images):
    with pytest.raises(
        InvalidInputError, match=r"^evaluate\(x=.*\): give images and labels, as evaluate\(images, labels"
    ):
        metrics.check_evaluated(images, None, of())
    metrics.check_evaluated(PICTURES, np.zeros(3), of())
    metrics.check_evaluated(iter(()), None, of())


def test_validation_masks_have_a_class_for_each_pixel_or_none():
    masks = np.zeros((3, 4, 4), int)
    masks[0, 0, 0] = metrics.IGNORED
    metrics.check_validation_data((PICTURES, masks), of(is_segmenter=True))
    with pytest.raises(InvalidInputError, match=r"label \[2, 1, 0\] = 3: give each"):
        masks[2, 1, 0] = 3
        metrics.check_validation_data((PICTURES, masks), of(is_segmenter=True))


class Batches(keras.utils.PyDataset):
    """One batch with one-hot labels."""

    def __getitem__(self, index):
        return PICTURES, np.eye(3)


def test_the_first_batch_of_a_data_set_is_checked_and_an_iterator_is_left_whole():
    with pytest.raises(InvalidInputError, match="one-hot"):
        metrics.check_validation_data(Batches(), of())
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(InvalidInputError, match="one-hot"):
        metrics.check_validation_data(tf.data.Dataset.from_tensors((PICTURES, np.eye(3))), of())
    once = iter([(PICTURES, np.eye(3))])
    metrics.check_validation_data(once, of())
    assert next(once)
