"""Rounds of latent inversion: what is optimized, and what is kept."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.augmentation import RandomResizedCropFlip
from dfkd_keras.objectives import ContrastiveDiversity
from dfkd_keras.synthesis import FreshStart
from tests.conftest import values
from tests.synthesis.latent_round import BATCH, LATENT, SHAPE, Round, adam, draws, norm_teacher


def test_a_round_moves_latents_and_generator_and_lowers_the_loss():
    rounds = Round()
    rounds.begin()
    latents, weights = np.array(rounds.inversion.latents.values.value), rounds.weights
    losses = [float(rounds.update()) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert not np.allclose(rounds.inversion.latents.values.value, latents)
    assert not any(np.array_equal(a, b) for a, b in zip(rounds.weights, weights, strict=True))


def test_the_images_of_the_lowest_loss_are_kept_and_no_later_update_reaches_them():
    """A toolkit keeps an alias of the images, which is then overwritten: its best are its last."""
    rounds = Round(optimizer=adam(0.5))
    rounds.begin()
    losses, images = [], []
    for _ in range(6):
        losses.append(float(rounds.update()))
        images.append(np.array(rounds.inversion.best.images.value))
    best = int(np.argmin(losses))
    assert best < 5, "the learning rate is meant to be too high to improve to the end"
    kept, _ = rounds.end()
    np.testing.assert_array_equal(kept, images[best])
    assert not np.array_equal(images[0], images[best]) or best == 0


def test_kept_images_are_those_from_before_the_update():
    rounds = Round()
    rounds.begin()
    before = np.array(rounds.inversion.generator(draws().latents, training=True))
    rounds.update()
    np.testing.assert_allclose(rounds.inversion.best.images.value, before, atol=1e-5)


class Black:
    """An augmentation that leaves nothing of an image."""

    def __call__(self, images, uniforms):
        return images * 0.0


def test_kept_classes_are_what_the_teacher_predicts_for_the_kept_images():
    rounds = Round(augment=Black())
    _, images, classes = rounds.run(updates=1)
    np.testing.assert_array_equal(classes, np.argmax(rounds.teacher(images).logits, axis=-1))


def test_a_round_forgets_the_one_before():
    rounds = Round()
    first = rounds.run(seed=1)[1]
    copy = np.array(first)
    rounds.begin(seed=2)
    np.testing.assert_array_equal(rounds.inversion.latents.values.value, draws(2).latents)
    assert np.isinf(rounds.inversion.best.loss.value)
    iterations = rounds.inversion.latent_optimizer.iterations
    assert int(iterations.value) == 0
    rounds.update()
    assert int(iterations.value) == 1
    assert not np.array_equal(rounds.inversion.best.images.value, first)
    np.testing.assert_array_equal(first, copy)


def test_the_first_layers_start_over_once_at_their_round():
    rounds = Round(reset_at_round=2, optimizer=adam(1e-12))
    dense = rounds.inversion.generator.layers[1]
    kernels = []
    for seed in range(4):
        rounds.begin(seed)
        kernels.append(np.array(dense.kernel.value))
        rounds.end()
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[1], kernels[2])
    np.testing.assert_array_equal(kernels[2], kernels[3])
    assert abs(kernels[2].std() - 0.02) < 0.004
    assert not np.array(dense.bias.value).any()
    norm = rounds.inversion.generator.layers[3]
    assert abs(np.array(norm.gamma.value)).max() < 0.2
    assert not np.array(norm.beta.value).any()


def test_a_generator_without_layers_to_reset_is_refused():
    generator = keras.Sequential([layers.Input((LATENT,)), layers.Dense(64, use_bias=False), layers.Reshape(SHAPE)])
    inversion = dk.synthesis.LatentInversion(
        generator, dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy()]), adam(), reset_at_round=2
    )
    with pytest.raises(ValueError, match=r"reset_at_round=2: the generator .* has no dense or no BatchNorm layer"):
        inversion.prepare(norm_teacher(), BATCH)


def test_the_networks_get_augmented_images_and_the_buffer_the_original_ones():
    rounds = Round(augment=Black())
    rounds.begin()
    before = np.array(rounds.inversion.generator(draws().latents, training=True))
    black = rounds.teacher(ops.zeros((BATCH, *SHAPE))).logits
    expected = np.mean(
        dk.objectives.TargetCrossEntropy()(dk.objectives.SyntheticBatch(None, None, black, labels=draws().labels))
    )
    values_seen = rounds.inversion.update(draws(), rounds.context, 0)[1]
    np.testing.assert_allclose(values_seen["target_cross_entropy"], expected, rtol=1e-4)
    np.testing.assert_allclose(rounds.end()[0], before, atol=1e-5)


def test_a_teacher_without_batch_norm_is_refused_with_the_ways_out():
    inversion = dk.synthesis.LatentInversion(
        models.sigmoid_generator(LATENT, (32, 32, 1)),
        dk.objectives.WeightedSum([dk.objectives.BatchNormStatistics()]),
        adam(),
    )
    with pytest.raises(ValueError, match=r"no BatchNormalization layer.*weight 0, or choose another method"):
        inversion.prepare(dk.Teacher(models.lenet5()), BATCH)


def test_scaling_the_loss_changes_nothing_but_what_float16_would_lose():
    plain, scaled = Round(), Round(optimizer=keras.optimizers.LossScaleOptimizer(adam()))
    assert not plain.inversion.loss_scaling.enabled
    assert scaled.inversion.loss_scaling.enabled
    np.testing.assert_allclose(scaled.run()[0], plain.run()[0], rtol=1e-6)
    for first, second in zip(scaled.weights, plain.weights, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_previews_use_the_batchs_own_statistics_as_the_rounds_do():
    rounds = Round()
    rounds.run()
    generator, latents = rounds.inversion.generator, draws().latents
    shown = np.array(rounds.inversion.sample(latents, rounds.teacher))
    np.testing.assert_allclose(shown, generator(latents, training=True), atol=1e-5)


def contrastive():
    return ContrastiveDiversity(adam(), bank_images=32, width=8)


def test_a_contrastive_term_wants_a_second_view():
    with pytest.raises(ValueError, match=r"needs a second view of each image \(LatentInversion\.second_view\)"):
        Round(objective=dk.objectives.WeightedSum([contrastive()]))


def test_a_contrastive_term_learns_and_fills_its_bank():
    term = contrastive()
    objective = dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy(), term])
    rounds = Round(FreshStart(), objective, second_view=RandomResizedCropFlip())
    before = values(term.learned_variables)
    rounds.run()
    assert not any(np.array_equal(a, b) for a, b in zip(values(term.learned_variables), before, strict=True))
    assert int(term.banked.value) == BATCH
    first, second = np.array(term.bank.value)[:, :BATCH]
    assert np.abs(first - second).max() > 1e-3  # two views
