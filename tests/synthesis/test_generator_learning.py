"""How the generator of latent inversion learns from one round to the next."""

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.optimizers import CosineDecayOverTraining
from dfkd_keras.synthesis import ContinuedLearning, FreshStart
from tests.conftest import equal, values
from tests.synthesis.latent_round import LATENT, SHAPE, Round, adam, draws


def test_plain_fast_goes_on_with_the_generator_and_restarts_its_optimizer():
    optimizer = adam()
    rounds = Round(ContinuedLearning(), optimizer=optimizer)
    rounds.begin()
    rounds.update()
    moved = rounds.weights
    moments = [np.array(v.value) for v in optimizer.variables if "momentum" in v.path]
    assert any(moment.any() for moment in moments)
    rounds.end()
    assert equal(rounds.weights, moved)
    rounds.begin(1)
    assert not any(np.array(v.value).any() for v in optimizer.variables if "momentum" in v.path or "velocity" in v.path)
    np.testing.assert_allclose(optimizer.learning_rate, 0.01)


def plain_gradients(rounds, updates):
    """The generator's gradients of each inner step and its weights after them, by TensorFlow itself."""
    import tensorflow as tf

    generator = rounds.inversion.generator
    variables = [v.value for v in generator.trainable_variables]
    latents, inner, outer = keras.Variable(draws().latents), adam(), adam(0.05)
    inner.build(generator.trainable_variables)
    outer.build([latents])
    steps = []
    for _ in range(updates):
        with tf.GradientTape() as tape:
            tape.watch(latents.value)
            images = generator(latents.value, training=True)
            seen = rounds.teacher(images)
            batch = dk.objectives.SyntheticBatch(
                None, None, seen.logits, batch_statistics=seen.batch_statistics, labels=draws().labels
            )
            loss, _ = rounds.inversion.objective.evaluate(batch)
        *gradients, of_latents = tape.gradient(loss, [*variables, latents.value])
        steps.append([np.array(gradient) for gradient in gradients])
        inner.apply(gradients, generator.trainable_variables)
        outer.apply([of_latents], [latents])
    return steps, rounds.weights


def test_fomaml_takes_one_step_from_the_start_along_the_sum_of_the_gradients():
    reference = Round()
    steps, _ = plain_gradients(reference, 3)
    rounds = Round(dk.synthesis.FirstOrderMAML(adam()), optimizer=keras.optimizers.SGD(0.1))
    start = rounds.weights
    rounds.run(updates=3)
    for after, before, *gradients in zip(rounds.weights, start, *steps, strict=True):
        np.testing.assert_allclose(after, before - 0.1 * sum(gradients), atol=2e-4, rtol=1e-3)


def test_reptile_goes_towards_where_the_round_ended():
    reference = Round()
    _, end = plain_gradients(reference, 3)
    rounds = Round(dk.synthesis.Reptile(adam(), scale=2.0), optimizer=keras.optimizers.SGD(0.25))
    start = rounds.weights
    rounds.run(updates=3)
    for after, before, target in zip(rounds.weights, start, end, strict=True):
        np.testing.assert_allclose(after, before + 0.5 * (target - before), atol=2e-4)


@pytest.mark.parametrize("make", [dk.synthesis.FirstOrderMAML, dk.synthesis.Reptile])
def test_within_a_round_the_generator_adapts_and_the_outer_optimizer_waits(make):
    optimizer = adam()
    rounds = Round(make(adam()), optimizer=optimizer)
    for count in (1, 2):
        rounds.begin(count)
        start = rounds.weights
        for _ in range(2):
            rounds.update()
        assert not equal(rounds.weights, start)
        assert int(optimizer.iterations.value) == count - 1
        rounds.end()
        assert int(optimizer.iterations.value) == count


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Round(dk.synthesis.FirstOrderMAML(keras.optimizers.Adam(CosineDecayOverTraining(0.1)))),
            "inner optimizer .* constant rate",
        ),
        (
            lambda: Round(ContinuedLearning(), optimizer=keras.optimizers.Adam(CosineDecayOverTraining(0.1))),
            "constant rate",
        ),
        (
            lambda: Round(dk.synthesis.Reptile(keras.optimizers.Adagrad())),
            "'adagrad', cannot be reset in every round: use Adam",
        ),
        (
            lambda: Round(dk.synthesis.Reptile(keras.optimizers.Nadam())),
            "'nadam', cannot be reset in every round: use Adam",
        ),
        (
            lambda: Round(dk.synthesis.FirstOrderMAML(keras.optimizers.Adam(use_ema=True))),
            "the inner optimizer of meta-learning is reset in every round, and so would its averages be",
        ),
        (
            lambda: Round(dk.synthesis.FirstOrderMAML(keras.optimizers.LossScaleOptimizer(adam()))),
            "the synthesizer itself scales the loss under mixed_float16",
        ),
    ],
)
def test_optimizers_that_cannot_play_their_part_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_one_optimizer_in_two_parts_is_refused():
    shared = adam()
    with pytest.raises(ValueError, match=r"the same 'adam\w*' object has two parts"):
        Round(dk.synthesis.FirstOrderMAML(shared), optimizer=shared)


def test_a_meta_optimizers_cosine_spans_the_rounds():
    rate = CosineDecayOverTraining(0.1)
    rounds = Round(dk.synthesis.FirstOrderMAML(adam()), optimizer=keras.optimizers.Adam(rate))
    assert rounds.inversion.set_total_updates(updates=60, rounds=20)
    assert rate.updates == 20
    assert not rounds.inversion.set_total_updates(updates=60, rounds=20)


def test_a_fresh_start_draws_new_weights_in_every_round():
    keras.utils.set_random_seed(0)
    generator = models.sigmoid_generator(LATENT, SHAPE, width=16)
    learning = FreshStart()
    learning.prepare(generator.trainable_variables)
    learning.compile(adam(), generator.trainable_variables)
    drawn = []
    for _ in range(2):
        learning.begin_round(generator.trainable_variables)
        drawn.append(values(generator.trainable_variables))
    assert not any(np.array_equal(a, b) for a, b in zip(*drawn, strict=True) if a.std() > 0)
    for variable, value in zip(generator.trainable_variables, drawn[0], strict=True):
        mean, spread = {"kernel": (0.0, 0.02), "gamma": (1.0, 0.02)}.get(variable.name, (0.0, 0.0))
        assert abs(value.mean() - mean) < 0.015
        assert abs(value.std() - spread) < 0.01
