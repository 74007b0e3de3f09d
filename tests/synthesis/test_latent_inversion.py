"""Rounds of latent inversion: what is optimized, what is kept, how the generator learns."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.augmentation import RandomResizedCropFlip
from dfkd_keras.objectives import ContrastiveDiversity
from dfkd_keras.optimizers import CosineDecayOverTraining
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis import ContinuedLearning, FreshStart
from dfkd_keras.synthesis.synthesizer import SynthesisContext
from tests.conftest import equal, values

BATCH, LATENT, SHAPE = 4, 5, (8, 8, 1)


def adam(rate=0.01):
    return keras.optimizers.Adam(rate, beta_1=0.5, epsilon=1e-8)


def norm_teacher():
    hidden = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    model = keras.Sequential([layers.Input(SHAPE), *hidden, layers.Dense(3)])
    return dk.Teacher(model, dk.Normalization((0.5,), (0.25,)))


def draws(seed=0):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(BATCH, LATENT)), rng.integers(3, size=BATCH), rng.random(BATCH), rng.random((BATCH, 8))
    return Draws(*(ops.convert_to_tensor(a.astype(t)) for a, t in zip(arrays, ("f4", "i4", "f4", "f4"), strict=True)))


class Round:
    """A synthesizer and its surroundings, driven by hand."""

    def __init__(self, learning=None, objective=None, optimizer=None, **kwargs):
        keras.utils.set_random_seed(0)
        self.teacher = norm_teacher()
        objective = objective or dk.objectives.WeightedSum(
            [dk.objectives.TargetCrossEntropy(), dk.objectives.BatchNormStatistics(0.9)], [1.0, 1.0]
        )
        generator = models.sigmoid_generator(LATENT, SHAPE, width=8)
        self.inversion = dk.synthesis.LatentInversion(generator, objective, adam(0.05), learning, **kwargs)
        self.inversion.prepare(self.teacher, BATCH)
        self.inversion.compile(optimizer or adam())
        self.context = SynthesisContext(self.teacher, None)

    def open(self, seed=0):
        self.inversion.begin_round(draws(seed), self.teacher)

    def update(self):
        return self.inversion.update(draws(), self.context, 0)[0]

    def close(self):
        return self.inversion.end_round(draws(), self.teacher)

    def run(self, updates=3, seed=0):
        self.open(seed)
        losses = [float(self.update()) for _ in range(updates)]
        return losses, *self.close()

    @property
    def weights(self):
        return values(self.inversion.generator.trainable_variables)


def test_a_round_moves_latents_and_generator_and_lowers_the_loss():
    rounds = Round()
    rounds.open()
    latents, weights = np.array(rounds.inversion.latents.value), rounds.weights
    losses = [float(rounds.update()) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert not np.allclose(rounds.inversion.latents.value, latents)
    assert not any(np.array_equal(a, b) for a, b in zip(rounds.weights, weights, strict=True))


def test_the_images_of_the_lowest_loss_are_kept_and_no_later_update_reaches_them():
    """A toolkit keeps an alias of the images, which is then overwritten: its best are its last."""
    rounds = Round(optimizer=adam(0.5))
    rounds.open()
    losses, images = [], []
    for _ in range(6):
        losses.append(float(rounds.update()))
        images.append(np.array(rounds.inversion.best.images.value))
    best = int(np.argmin(losses))
    assert best < 5, "the learning rate is meant to be too high to improve to the end"
    kept, _ = rounds.close()
    np.testing.assert_array_equal(kept, images[best])
    assert not np.array_equal(images[0], images[best]) or best == 0


def test_kept_images_are_those_from_before_the_update():
    rounds = Round()
    rounds.open()
    before = np.array(rounds.inversion.generator(draws().latents, training=True))
    rounds.update()
    np.testing.assert_allclose(rounds.inversion.best.images.value, before, atol=1e-5)


class Black:
    """An augmentation that leaves nothing of an image."""

    def __call__(self, images, uniforms, fill=0.0):
        return images * 0.0


def test_kept_classes_are_what_the_teacher_sees_in_the_images_that_are_kept():
    rounds = Round(augment=Black())
    _, images, classes = rounds.run(updates=1)
    seen = rounds.teacher(rounds.teacher.normalization.convert(images, "unit", "normalized")).logits
    np.testing.assert_array_equal(classes, np.argmax(seen, axis=-1))


def test_a_round_forgets_the_one_before():
    rounds = Round()
    first = rounds.run(seed=1)[1]
    copy = np.array(first)
    rounds.open(seed=2)
    np.testing.assert_array_equal(rounds.inversion.latents.value, draws(2).latents)
    assert np.isinf(rounds.inversion.best.loss.value)
    iterations = rounds.inversion.latent_optimizer.iterations
    assert int(iterations.value) == 0
    rounds.update()
    assert int(iterations.value) == 1
    assert not np.array_equal(rounds.inversion.best.images.value, first)
    np.testing.assert_array_equal(first, copy)


def test_plain_fast_goes_on_with_the_generator_and_restarts_its_optimizer():
    optimizer = adam()
    rounds = Round(ContinuedLearning(), optimizer=optimizer)
    rounds.open()
    rounds.update()
    moved = rounds.weights
    moments = [np.array(v.value) for v in optimizer.variables if "momentum" in v.path]
    assert any(moment.any() for moment in moments)
    rounds.close()
    assert equal(rounds.weights, moved)
    rounds.open(1)
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
            seen = rounds.teacher(rounds.teacher.normalization.convert(images, "unit", "normalized"))
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
        rounds.open(count)
        start = rounds.weights
        for _ in range(2):
            rounds.update()
        assert not equal(rounds.weights, start)
        assert int(optimizer.iterations.value) == count - 1
        rounds.close()
        assert int(optimizer.iterations.value) == count


def test_the_first_layers_start_over_once_at_their_round():
    rounds = Round(reset_at_round=2, optimizer=adam(1e-12))
    dense = rounds.inversion.generator.layers[1]
    kernels = []
    for seed in range(4):
        rounds.open(seed)
        kernels.append(np.array(dense.kernel.value))
        rounds.close()
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


def test_the_networks_see_augmented_images_and_the_memory_gets_them_as_they_are():
    rounds = Round(augment=Black())
    rounds.open()
    before = np.array(rounds.inversion.generator(draws().latents, training=True))
    black = rounds.teacher(ops.full((BATCH, *SHAPE), -2.0)).logits
    expected = np.mean(
        dk.objectives.TargetCrossEntropy()(dk.objectives.SyntheticBatch(None, None, black, labels=draws().labels))
    )
    values_seen = rounds.inversion.update(draws(), rounds.context, 0)[1]
    np.testing.assert_allclose(values_seen["target_cross_entropy"], expected, rtol=1e-4)
    np.testing.assert_allclose(rounds.close()[0], before, atol=1e-5)


def test_a_teacher_without_batch_norm_is_refused_with_the_ways_out():
    inversion = dk.synthesis.LatentInversion(
        models.sigmoid_generator(LATENT, (32, 32, 1)),
        dk.objectives.WeightedSum([dk.objectives.BatchNormStatistics()]),
        adam(),
    )
    with pytest.raises(ValueError, match=r"no BatchNormalization layer.*weight 0, or choose another method"):
        inversion.prepare(dk.Teacher(models.lenet5()), BATCH)


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
            "'adagrad', cannot start over in every round: use Adam",
        ),
        (
            lambda: Round(dk.synthesis.Reptile(keras.optimizers.Nadam())),
            "'nadam', cannot start over in every round: use Adam",
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


def test_scaling_the_loss_changes_nothing_but_what_float16_would_lose():
    plain, scaled = Round(), Round(optimizer=keras.optimizers.LossScaleOptimizer(adam()))
    assert not plain.inversion.loss_scaling.on
    assert scaled.inversion.loss_scaling.on
    np.testing.assert_allclose(scaled.run()[0], plain.run()[0], rtol=1e-6)
    for first, second in zip(scaled.weights, plain.weights, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


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


def test_previews_use_the_batchs_own_statistics_as_the_rounds_do():
    rounds = Round()
    rounds.run()
    generator, latents = rounds.inversion.generator, draws().latents
    shown = np.array(rounds.inversion.sample(latents, rounds.teacher))
    np.testing.assert_allclose(shown, (np.array(generator(latents, training=True)) - 0.5) / 0.25, atol=1e-5)


def test_a_fresh_start_draws_new_weights_in_every_round():
    keras.utils.set_random_seed(0)
    generator = models.sigmoid_generator(LATENT, SHAPE, width=16)
    learning = FreshStart()
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
