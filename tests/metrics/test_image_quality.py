"""Inception Score, Frechet distance and diversity, against an independent computation and by their properties."""

import numpy as np
import pytest
from scipy import linalg, spatial, special, stats

from dfkd_keras.metrics import diversity, frechet_distance, image_quality, inception_score


def frechet_by_roots(first, second):
    """The distance as it is written, by SciPy's root of a matrix."""
    root = linalg.sqrtm(np.cov(first.T) @ np.cov(second.T)).real
    difference = first.mean(axis=0) - second.mean(axis=0)
    return difference @ difference + np.trace(np.cov(first.T) + np.cov(second.T) - 2.0 * root)


@pytest.mark.parametrize(("count", "others"), [(200, 150), (30, 60)])
def test_the_frechet_distance_is_that_of_the_formula(rng, count, others):
    mixing = rng.normal(size=(8, 8))
    first, second = rng.normal(size=(count, 8)) @ mixing + 1.0, rng.normal(size=(others, 8))
    assert frechet_distance(first, second) == pytest.approx(frechet_by_roots(first, second), rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second))


def test_of_fewer_images_than_features_the_frechet_distance_is_defined(rng):
    first, second = rng.normal(size=(10, 64)), rng.normal(size=(12, 64))
    assert frechet_distance(first, second) == pytest.approx(frechet_by_roots(first, second), rel=1e-3)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(first, first + 2.0) == pytest.approx(4.0 * 64)


def test_the_inception_score_is_that_of_the_formula(rng):
    probabilities = special.softmax(rng.normal(size=(50, 7)) * 3.0, axis=1)
    divergences = [stats.entropy(each, probabilities.mean(axis=0)) for each in probabilities]
    assert inception_score(probabilities.astype("float32")) == pytest.approx(np.exp(np.mean(divergences)), rel=1e-5)


def test_the_inception_score_is_from_1_to_the_number_of_classes():
    assert inception_score(np.eye(10)) == pytest.approx(10.0)
    assert inception_score(np.full((5, 10), 0.1)) == pytest.approx(1.0)
    assert inception_score(np.eye(10)[[3, 3, 3]]) == pytest.approx(1.0)  # certain, but all of one class


def test_diversity_is_the_mean_distance_of_two_images(rng):
    features = rng.normal(size=(40, 6)) + 100.0
    assert diversity(features) == pytest.approx(np.mean(spatial.distance.pdist(features)))
    assert diversity(np.ones((3, 4))) == 0.0


def test_real_images_stand_beside_as_many_synthetic_ones(rng):
    synthetic = rng.normal(size=(20, 4)), special.softmax(rng.normal(size=(20, 3)), axis=1)
    real = rng.normal(size=(50, 4)), special.softmax(rng.normal(size=(50, 3)), axis=1)
    found = image_quality(synthetic, real)
    assert found["frechet_distance"] == frechet_distance(synthetic[0], real[0][:20])
    assert found["real_frechet_distance"] == frechet_distance(real[0][20:40], real[0][:20])
    assert found["real_diversity"] == diversity(real[0][:20])
    assert found["real_inception_score"] == inception_score(real[1][:20])


def test_without_real_images_or_probabilities_their_figures_are_left_out(rng):
    features = rng.normal(size=(20, 4))
    assert image_quality((features, None)) == {"diversity": diversity(features)}
    assert {*image_quality((features, np.full((20, 2), 0.5)))} == {"diversity", "inception_score"}
