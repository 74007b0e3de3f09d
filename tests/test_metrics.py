import numpy as np

from dfkd_keras import metrics, models


def test_agreement_is_the_fraction_of_equal_entries():
    assert metrics.agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4])) == 0.75


def test_predicted_classes_do_not_depend_on_the_batch_size(rng):
    model, images = models.lenet5_half(), rng.normal(size=(7, 32, 32, 1)).astype("float32")
    classes = metrics.predicted_classes(model, images)
    np.testing.assert_array_equal(classes, np.argmax(model(images), axis=-1))
    np.testing.assert_array_equal(classes, metrics.predicted_classes(model, images, batch_size=3))
