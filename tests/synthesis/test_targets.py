"""What the teacher is to predict for the images of pixel inversion."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import objectives, synthesis
from dfkd_keras.schedules.rounds import RoundsFirst
from dfkd_keras.teacher.class_similarity import class_similarity
from tests.synthesis.conftest import SHAPE, B, draws


def test_balanced_classes_come_in_turn(make):
    inverted = make(targets=synthesis.BalancedClasses())
    inverted.inversion.begin_round(draws(), inverted.teacher)
    first = int(draws().labels[0])
    np.testing.assert_array_equal(inverted.inversion.labels.value, (first + np.arange(B)) % 10)


def test_class_similarity_is_the_cosine_of_the_last_weights_row_by_row(make):
    teacher = make().teacher
    weights = np.array(teacher.model.layers[-1].kernel)
    unit = weights / np.linalg.norm(weights, axis=0)
    cosines = unit.T @ unit
    expected = np.stack([(row - row.min()) / (row.max() - row.min()) for row in cosines])
    np.testing.assert_allclose(class_similarity(teacher), expected, atol=1e-5)
    np.testing.assert_allclose(np.diag(class_similarity(teacher)), 1.0)


def test_class_similarity_wants_a_last_dense_layer(normalization):
    inputs = layers.Input(SHAPE)
    convolved = layers.Conv2D(10, 3)(inputs)
    pooled = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(convolved))
    with pytest.raises(ValueError, match=r"kernel of \(3, 3, 1, 10\) and the teacher 10 classes: use RandomClasses"):
        class_similarity(dk.Teacher(keras.Model(inputs, pooled), normalization))
    outputs = layers.Reshape((5, 2))(pooled)
    with pytest.raises(ValueError, match=r"but .* has none: use RandomClasses"):
        class_similarity(dk.Teacher(keras.Model(inputs, layers.GlobalAveragePooling1D()(outputs)), normalization))


def test_a_class_without_weights_is_refused_by_dirichlet_targets(make):
    teacher = make().teacher
    kernel = teacher.logits_layer.kernel
    kernel.assign(np.array(kernel) * (np.arange(10) != 3))
    with pytest.raises(ValueError, match="has a class whose weights are zero"):
        synthesis.DirichletTargets().prepare(teacher)


def test_dirichlet_targets_have_the_mean_and_the_spread_of_their_concentrations(make):
    """E y = alpha / sum alpha; Var y_c = m (1 - m) / (1 + sum alpha): both concentrations have the same mean."""
    teacher, targets = make().teacher, synthesis.DirichletTargets((1.0, 0.1))
    targets.prepare(teacher)
    count = 40_000
    threes = ops.full((count,), 3, dtype="int32")
    _, soft = targets.draw(draws(batch_size=count)._replace(labels=threes), teacher)
    np.testing.assert_allclose(np.sum(soft, axis=1), 1.0, atol=1e-5)
    for half, beta in zip(np.split(np.array(soft), 2), (1.0, 0.1), strict=True):
        alpha = beta * np.array(class_similarity(teacher))[3] + 1e-4
        mean = alpha / alpha.sum()
        variance = mean * (1 - mean) / (1 + alpha.sum())
        error = np.sqrt(variance / len(half))
        assert (np.abs(half.mean(axis=0) - mean) < 5 * error + 1e-4).all()
        np.testing.assert_allclose(half.var(axis=0), variance, rtol=0.1, atol=5e-4)


@pytest.mark.parametrize("concentrations", [(0.0,), (1.0, -1.0), (), 0.5])
def test_concentrations_that_are_not_positive_are_refused(concentrations):
    with pytest.raises(ValueError, match="must be one or more positive"):
        synthesis.DirichletTargets(concentrations)


def test_soft_labels_are_followed(make):
    """ZSKD: the teacher's softened prediction comes near what was drawn."""
    terms = [objectives.SoftTargetCrossEntropy(1.0)]
    inverted = make(terms, targets=synthesis.DirichletTargets(), output_space="unit", bounds="rescale")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    losses = [inverted.update() for _ in range(40)]
    assert losses[-1] < losses[0]


def test_a_loaded_distiller_draws_the_same_soft_labels(make_inverting_distiller, tmp_path):
    terms = [objectives.SoftTargetCrossEntropy()]
    distiller = make_inverting_distiller(RoundsFirst(2, 1, 2, 1, 2), terms, targets=synthesis.DirichletTargets())
    distiller.fit(epochs=1, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    for each in (distiller, loaded):
        each.fit(initial_epoch=1, epochs=2, verbose=0)
    np.testing.assert_allclose(loaded.synthesizer.soft_labels.value, distiller.synthesizer.soft_labels.value, atol=1e-6)


def test_a_term_on_soft_labels_wants_targets_that_have_some(make):
    with pytest.raises(ValueError, match=r"needs soft labels \(PixelInversion\.targets"):
        make([objectives.SoftTargetCrossEntropy()])
