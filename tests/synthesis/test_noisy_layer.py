"""NAYER's latents against NumPy, and a whole step of it."""

import keras
import numpy as np
import pytest
from keras import ops

from dfkd_keras.synthesis import BalancedClasses, FreshStart, NoisyLayer
from dfkd_keras.utils.errors import InvalidInputError
from tests.conftest import values
from tests.synthesis.latent_round import BATCH, LATENT, Round, adam, draws, norm_teacher

CLASSES = 3  # of the teacher, so that a batch of four has two noisy layers
EMBEDDINGS = np.random.default_rng(5).normal(size=(CLASSES, 7)).astype("float32")


def noisy_layer(**kwargs):
    keras.utils.set_random_seed(0)
    layer = NoisyLayer(**kwargs)
    layer.prepare(norm_teacher(), BATCH, LATENT)
    layer.begin_round(draws())
    return layer


def expected_latents(layer, labels):
    rows = EMBEDDINGS[labels]
    normalized = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-5)
    kernel, bias, gamma, beta = values(layer.learned_variables)
    rows = normalized * gamma + beta
    return np.stack([rows[i] @ kernel[i // CLASSES] + bias[i // CLASSES] for i in range(len(labels))])


def test_every_block_of_classes_has_a_layer_of_its_own():
    layer, labels = noisy_layer(embeddings=EMBEDDINGS), np.array([1, 2, 0, 1])
    layer.gamma.assign(np.linspace(0.5, 2.0, 7))
    layer.beta.assign(np.linspace(-1.0, 1.0, 7))
    layer.bias.assign(np.arange(2 * LATENT).reshape(2, LATENT))
    latents = ops.convert_to_numpy(layer.of(ops.convert_to_tensor(labels)))
    np.testing.assert_allclose(latents, expected_latents(layer, labels), rtol=1e-4, atol=1e-4)
    assert not np.allclose(latents[0], latents[3]), "the same class, of another block"


def test_a_round_draws_the_weights_and_clears_the_offsets():
    layer = noisy_layer(embedding_dim=64)
    first = np.array(layer.kernel.value)
    layer.bias.assign(np.ones((2, LATENT)))
    layer.gamma.assign(np.full(64, 3.0))
    layer.begin_round(draws())
    second = np.array(layer.kernel.value)
    assert abs(first.mean()) < 0.15 and abs(first.std() - 1.0) < 0.1
    assert not np.isclose(first, second).any()
    assert not np.array(layer.bias.value).any()
    assert (np.array(layer.gamma.value) == 3.0).all(), "what the BatchNorm has learned stays"


def test_random_embeddings_are_orthogonal_and_always_the_same():
    tables = [np.array(noisy_layer(embedding_dim=16).table) for _ in range(2)]
    np.testing.assert_allclose(tables[0] @ tables[0].T, np.eye(CLASSES), atol=1e-6)
    np.testing.assert_array_equal(*tables)
    assert noisy_layer(embedding_dim=2).table.shape == (CLASSES, 2)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.zeros((4, 7)), "has 4 rows, but the teacher 3 classes"),
        (np.zeros(3), r"of the shape \(3,\) must be finite numbers, a row for each class"),
        (np.full((3, 7), np.nan), "must be finite numbers"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(embeddings, message):
    with pytest.raises(InvalidInputError, match=message):
        noisy_layer(embeddings=embeddings)


def nayer(**kwargs):
    latents = NoisyLayer(EMBEDDINGS)
    return Round(FreshStart(every_rounds=2), latents=latents, targets=BalancedClasses(), **kwargs)


def test_a_step_follows_the_gradients_of_generator_and_noisy_layer():
    rounds = nayer(optimizer=adam(0.01))
    rounds.begin()
    inversion, labels = rounds.inversion, np.array(rounds.inversion.labels.value)
    first = int(draws().labels[0])
    np.testing.assert_array_equal(labels, (first + np.arange(BATCH)) % CLASSES)
    learned = [*inversion.generator.trainable_variables, *inversion.latents.learned_variables]
    before = values(learned)
    images = np.array(inversion.generator(expected_latents(inversion.latents, labels), training=True))
    rounds.update()
    np.testing.assert_allclose(inversion.best.images.value, images, atol=1e-4)
    rates = [0.01] * len(inversion.generator.trainable_variables) + [0.05] * 4  # of the two optimizers
    for variable, old, new, rate in zip(learned, before, values(learned), rates, strict=True):
        moved = np.abs(new - old)  # the first step of Adam is as long as its rate wherever there is a gradient
        assert moved.max() <= 1.01 * rate, variable.path
        assert np.median(moved[moved > 0]) > 0.9 * rate or "beta" in variable.path, variable.path


def test_a_round_lowers_the_loss_and_the_generator_starts_over_every_other_one():
    rounds, starts = nayer(optimizer=adam(0.01)), []
    for seed in range(4):
        rounds.begin(seed)
        starts.append(rounds.weights[0])
        losses = [float(rounds.update()) for _ in range(6)]
        assert losses[-1] < losses[0]
        starts.append(rounds.weights[0])
        rounds.end()
    np.testing.assert_array_equal(starts[1], starts[2])
    assert not np.allclose(starts[3], starts[4])
    assert abs(starts[4].std() - 0.02) < 0.01
