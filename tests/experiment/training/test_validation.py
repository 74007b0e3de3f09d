import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import data, metrics
from dfkd_keras.experiment.training.validation import validation


@pytest.fixture(params=[(10,), (4, 4)], ids=["classes", "masks"])
def network(request):
    head = [keras.layers.Flatten(), keras.layers.Dense(10)] if len(request.param) == 1 else [keras.layers.Conv2D(3, 1)]
    return keras.Sequential([keras.Input((4, 4, 1)), *head])


def test_images_are_added_for_the_sake_of_the_devices_and_do_not_count(network, monkeypatch, rng):
    monkeypatch.setattr("dfkd_keras.experiment.training.validation.shard_count", lambda: 4)
    teacher = dk.Teacher(network)
    labels = rng.integers(3, size=(9, 4, 4)[: 3 if teacher.is_segmenter else 1])
    test = data.Split(rng.integers(256, size=(9, 4, 4, 1), dtype=np.uint8), labels)
    arguments = validation(test, teacher)
    assert arguments["validation_batch_size"] % 4 == 0
    inputs, padded, *weights = arguments["validation_data"]
    assert len(inputs) == len(padded) == 12
    measured = metrics.validation_metrics(teacher.num_classes, teacher.is_segmenter)
    for metric in measured:
        metric.update_state(padded, network(inputs), *weights)
    expected = metrics.scores(metrics.predicted_classes(network, inputs[:9]), labels, teacher.num_classes)
    assert [float(metric.result()) for metric in measured] == pytest.approx([*expected.values()])


def test_what_all_devices_can_share_stays_as_it_is(network, rng):
    test = data.Split(rng.integers(256, size=(9, 4, 4, 1), dtype=np.uint8), np.zeros(9, int))
    images, labels = validation(test, dk.Teacher(network))["validation_data"]
    np.testing.assert_array_equal(images, test.unit_images)
    assert labels is test.labels
