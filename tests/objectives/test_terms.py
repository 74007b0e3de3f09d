"""Golden numbers: each term against a NumPy computation that shares no code with it, and its closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.backend.gradient import BACKEND

K = 10


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def batch(logits, images=None):
    images = np.zeros((len(logits), 4, 4, 1), "float32") if images is None else images
    return dk.objectives.SyntheticBatch(None, None, tensor(logits), normalized_images=tensor(images))


def gradient_of(function, point):
    """Returns the gradient of a scalar function at a point, through the package's own `minimize`."""
    variable = keras.Variable(point.astype("float32"))
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([variable])
    if BACKEND != "tensorflow":
        pytest.skip("outside of a training step, minimize runs on TensorFlow only")
    from dfkd_keras.backend.gradient import minimize

    minimize(lambda: (function(ops.convert_to_tensor(variable)), ()), [variable], optimizer)
    return point - np.array(variable.value)


@pytest.fixture
def logits(rng):
    return rng.normal(size=(8, K)) * 3


@pytest.fixture
def images(rng):
    return rng.normal(size=(8, 4, 4, 3)).astype("float32")


def test_one_hot_cross_entropy_equals_numpy(logits):
    p = softmax(logits)
    expected = [-np.log(row[row.argmax()]) for row in p]
    np.testing.assert_allclose(dk.objectives.OneHotCrossEntropy()(batch(logits)), expected, atol=1e-5)


def test_one_hot_cross_entropy_is_ln_k_for_uniform_and_0_for_one_hot_logits():
    np.testing.assert_allclose(
        dk.objectives.OneHotCrossEntropy()(batch(np.zeros((4, K)))), np.full(4, np.log(K)), atol=1e-6
    )
    np.testing.assert_allclose(dk.objectives.OneHotCrossEntropy()(batch(100 * np.eye(K)))[:4], np.zeros(4), atol=1e-6)


def test_one_hot_cross_entropy_pulls_the_predicted_logit_up_and_all_others_down(logits):
    def loss(values):
        return ops.sum(dk.objectives.OneHotCrossEntropy()(dk.objectives.SyntheticBatch(None, None, values)))

    gradient = gradient_of(loss, logits)
    predicted = np.eye(K, dtype=bool)[logits.argmax(axis=1)]
    assert (gradient[predicted] < 0).all()
    assert (gradient[~predicted] > 0).all()
    np.testing.assert_allclose(gradient, softmax(logits) - predicted, atol=1e-5)


def test_class_entropy_equals_numpy(logits):
    q = softmax(logits).mean(axis=0)
    np.testing.assert_allclose(dk.objectives.ClassEntropy()(batch(logits)), (q * np.log(q)).sum(), atol=1e-5)


def test_class_entropy_is_minus_ln_k_when_balanced_and_0_when_collapsed():
    np.testing.assert_allclose(dk.objectives.ClassEntropy()(batch(100 * np.eye(K))), -np.log(K), atol=1e-5)
    np.testing.assert_allclose(dk.objectives.ClassEntropy()(batch(np.zeros((4, K)))), -np.log(K), atol=1e-5)
    collapsed = np.tile(1000 * np.eye(K)[3], (4, 1))  # every other class has probability 0 exactly
    np.testing.assert_allclose(dk.objectives.ClassEntropy()(batch(collapsed)), 0.0, atol=1e-5)


def test_class_entropy_pushes_the_overrepresented_class_down():
    logits = np.tile(3 * np.eye(K)[3], (4, 1))

    def loss(values):
        return dk.objectives.ClassEntropy()(dk.objectives.SyntheticBatch(None, None, values))

    gradient = gradient_of(loss, logits)
    assert (gradient[:, 3] > 0).all()
    assert (np.delete(gradient, 3, axis=1) < 0).all()


def test_softmax_distance_diversity_equals_numpy(logits, images):
    p = softmax(logits)
    ratio = np.sqrt(((images[4:] - images[:4]) ** 2).sum()) / np.sqrt(((p[4:] - p[:4]) ** 2).sum())
    np.testing.assert_allclose(
        dk.objectives.SoftmaxDistanceDiversity()(batch(logits, images)), 1 / (ratio + 1e-20), atol=1e-5
    )


def test_softmax_distance_diversity_falls_as_images_grow_apart(logits, images):
    near = dk.objectives.SoftmaxDistanceDiversity()(batch(logits, images))
    far = dk.objectives.SoftmaxDistanceDiversity()(batch(logits, 2 * images))
    np.testing.assert_allclose(far, near / 2, rtol=1e-5)

    def loss(values):
        return dk.objectives.SoftmaxDistanceDiversity()(
            dk.objectives.SyntheticBatch(None, None, tensor(logits), normalized_images=values)
        )

    gradient, difference = gradient_of(loss, images), images[4:] - images[:4]
    assert (gradient[4:] * difference).sum() < 0  # a step against the gradient widens the difference


def test_softmax_distance_diversity_of_identical_images_is_finite_with_a_finite_gradient():
    logits, images = np.zeros((4, K)), np.ones((4, 2, 2, 1), "float32")
    np.testing.assert_allclose(dk.objectives.SoftmaxDistanceDiversity()(batch(logits, images)), 1.0, atol=1e-5)

    def loss(values):
        return dk.objectives.SoftmaxDistanceDiversity()(
            dk.objectives.SyntheticBatch(None, None, tensor(logits), normalized_images=values)
        )

    assert np.isfinite(gradient_of(loss, images)).all()


def test_softmax_distance_diversity_is_as_large_for_a_segmenter_as_for_a_classifier(logits, images):
    everywhere = np.broadcast_to(logits[:, None, None], (*logits.shape[:1], 3, 5, K)).astype("float32")
    of_pixels, of_images = (
        dk.objectives.SoftmaxDistanceDiversity()(batch(each, images)) for each in (everywhere, logits)
    )
    np.testing.assert_allclose(of_pixels, of_images, rtol=1e-5)


@pytest.mark.parametrize(
    "term", [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy()], ids=lambda term: term.name
)
def test_segmentation_logits_give_per_image_means_or_one_scalar(term, rng):
    logits = rng.normal(size=(2, 3, 5, K)).astype("float32")
    value = np.array(term(batch(logits, np.zeros((2, 3, 5, 1), "float32"))))
    flat = np.array(term(batch(logits.reshape(-1, K), np.zeros((30, 1, 1, 1), "float32"))))
    expected = flat.reshape(2, -1).mean(axis=1) if flat.ndim else flat
    np.testing.assert_allclose(value, expected, atol=1e-5)


def test_terms_are_logged_under_their_class_name_in_snake_case():
    assert dk.objectives.SoftmaxDistanceDiversity().name == "softmax_distance_diversity"
    assert dk.objectives.OneHotCrossEntropy().name == "one_hot_cross_entropy"
