"""Golden numbers of the terms that DAFL, MSKD, DFAD, ZSKD, DeepInversion and CMI add, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import losses, objectives
from dfkd_keras.teacher.teacher import TeacherOutputs

from .test_terms import K, gradient_of, softmax


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def batch(**known):
    """A synthetic batch of what is given, as tensors."""
    empty = {"images": None, "latents": None, "teacher_logits": None}
    known = {name: value if isinstance(value, dict) else tensor(value) for name, value in known.items()}
    return dk.objectives.SyntheticBatch(**{**empty, **known})


def test_activation_equals_numpy_and_asks_for_more(rng):
    features = rng.normal(size=(4, 7))
    values = objectives.Activation()(batch(teacher_features={"penultimate": tensor(features)}))
    np.testing.assert_allclose(values, -np.abs(features).mean(axis=1), atol=1e-5)
    gradient = gradient_of(
        lambda f: ops.sum(objectives.Activation()(dk.objectives.SyntheticBatch(None, None, None, {"penultimate": f}))),
        features,
    )
    assert (np.sign(gradient) == -np.sign(features)).all()


def test_activation_of_a_map_averages_over_its_positions(rng):
    features = rng.normal(size=(4, 3, 3, 7))
    values = objectives.Activation("stage_1")(batch(teacher_features={"stage_1": tensor(features)}))
    np.testing.assert_allclose(values, -np.abs(features).mean(axis=(1, 2, 3)), atol=1e-5)


def test_activation_names_the_features_that_there_are():
    with pytest.raises(ValueError, match="'stage_9' is not among the teacher's features penultimate"):
        objectives.Activation("stage_9").prepare(TeacherOutputs(None, {"penultimate": None}, []), 8)


def test_latent_mode_seeking_equals_numpy(rng):
    images, latents = rng.normal(size=(8, 4, 4, 3)), rng.normal(size=(8, 5))
    ratio = np.abs(images[4:] - images[:4]).mean() / np.abs(latents[4:] - latents[:4]).mean()
    value = objectives.LatentModeSeeking()(batch(normalized_images=images, latents=latents))
    np.testing.assert_allclose(value, 1 / (ratio + 1e-5), rtol=1e-5)


def test_latent_mode_seeking_falls_as_images_grow_apart(rng):
    images, latents = rng.normal(size=(8, 4, 4, 3)), rng.normal(size=(8, 5))
    near, far = (
        float(objectives.LatentModeSeeking()(batch(normalized_images=f * images, latents=latents))) for f in (1, 2)
    )
    assert abs(far / near - 0.5) < 1e-3
    identical = objectives.LatentModeSeeking()(batch(normalized_images=np.ones((8, 2, 2, 1)), latents=latents))
    np.testing.assert_allclose(identical, 1e5, rtol=1e-4)


def test_soft_target_cross_entropy_equals_numpy(rng):
    logits, labels = rng.normal(size=(8, K)) * 30, rng.dirichlet(np.ones(K), size=8)
    term = objectives.SoftTargetCrossEntropy(20.0)
    expected = -(labels * np.log(softmax(logits / 20))).sum(axis=1)
    np.testing.assert_allclose(term(batch(teacher_logits=logits, soft_labels=labels)), expected, rtol=1e-5)


def test_soft_target_cross_entropy_is_least_where_the_prediction_is_the_label(rng):
    labels = rng.dirichlet(np.ones(K), size=8)
    term = objectives.SoftTargetCrossEntropy(20.0)
    entropy = -(labels * np.log(labels)).sum(axis=1)
    values = term(batch(teacher_logits=20 * np.log(labels), soft_labels=labels))
    np.testing.assert_allclose(values, entropy, atol=1e-4)

    def loss(logits):
        return ops.sum(term(dk.objectives.SyntheticBatch(None, None, logits, soft_labels=tensor(labels))))

    gradient = gradient_of(loss, np.zeros((8, K)))
    np.testing.assert_allclose(gradient, (1 / K - labels) / 20, atol=1e-5)


def test_total_variation_equals_numpy(rng):
    x = rng.normal(size=(3, 5, 4, 2))
    expected = (
        np.linalg.norm(np.diff(x, axis=1).ravel())
        + np.linalg.norm(np.diff(x, axis=2).ravel())
        + np.linalg.norm((x[:, 1:, 1:] - x[:, :-1, :-1]).ravel())
        + np.linalg.norm((x[:, 1:, :-1] - x[:, :-1, 1:]).ravel())
    )
    np.testing.assert_allclose(objectives.TotalVariation()(batch(normalized_images=x)), expected, rtol=1e-5)


def test_total_variation_of_flat_images_is_0_with_a_finite_gradient():
    flat = np.ones((2, 4, 4, 1))
    np.testing.assert_allclose(objectives.TotalVariation()(batch(normalized_images=flat)), 0.0, atol=1e-5)
    gradient = gradient_of(
        lambda x: objectives.TotalVariation()(dk.objectives.SyntheticBatch(None, None, None, normalized_images=x)), flat
    )
    np.testing.assert_array_equal(gradient, np.zeros_like(flat))


def test_total_variation_pulls_an_outlier_towards_its_neighbors():
    images = np.zeros((1, 5, 5, 1))
    images[0, 2, 2] = 1.0
    gradient = gradient_of(
        lambda x: objectives.TotalVariation()(dk.objectives.SyntheticBatch(None, None, None, normalized_images=x)),
        images,
    )
    assert gradient[0, 2, 2, 0] > 0
    assert gradient[0, 1, 2, 0] < 0


def test_image_norm_equals_numpy(rng):
    x = rng.normal(size=(3, 5, 4, 2))
    np.testing.assert_allclose(objectives.ImageNorm()(batch(normalized_images=x)), np.linalg.norm(x.ravel()), rtol=1e-5)
    gradient = gradient_of(
        lambda x: objectives.ImageNorm()(dk.objectives.SyntheticBatch(None, None, None, normalized_images=x)), x
    )
    np.testing.assert_allclose(gradient, x / np.linalg.norm(x.ravel()), atol=1e-5)


def contrastive_loss(first, second, project, temperature, bank=None):
    """CMI's term by loops over images."""

    def similarity(a, b):
        a, b = project(a), project(b)
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b) / temperature

    count = len(first)
    if bank is not None:
        first, second = np.concatenate([first, bank[0]]), np.concatenate([second, bank[1]])
    losses = []
    for index, local in enumerate(second):
        row = np.array([similarity(local, other) for other in first])
        losses.append(np.log(np.exp(row).sum()) - row[index])
    return np.mean(losses[:count]) + (np.mean(losses[count:]) if bank is not None else 0.0)


@pytest.fixture
def contrast():
    keras.utils.set_random_seed(0)
    term = objectives.ContrastiveDiversity(keras.optimizers.Adam(0.01), temperature=0.5, bank_images=6, width=4)
    term.prepare(TeacherOutputs(None, {}, [], ops.zeros((1, 5))), batch_size=3)
    term.head.layers[1].bias.assign([2.0] * 5)  # nothing is projected to 0, which has no direction
    return term


def project_with(term):
    _, first, second = term.head.layers
    weights = [np.array(variable) for layer in (first, second) for variable in (layer.kernel, layer.bias)]
    return lambda f: np.maximum(f @ weights[0] + weights[1], 0) @ weights[2] + weights[3]


def test_contrast_with_an_empty_bank_equals_numpy(rng, contrast):
    first, second = rng.normal(size=(2, 3, 5))
    value = contrast(batch(sample_means=first, second_sample_means=second))
    np.testing.assert_allclose(value, contrastive_loss(first, second, project_with(contrast), 0.5), rtol=1e-5)


def test_contrast_with_a_bank_equals_numpy_and_the_bank_keeps_the_newest(rng, contrast):
    rounds = rng.normal(size=(4, 2, 3, 5))
    for first, second in rounds[:3]:
        contrast.after_update(batch(sample_means=first, second_sample_means=second))
        contrast.end_round()
    bank = np.concatenate([rounds[2], rounds[1]], axis=1)  # of the last two rounds: 6 images
    np.testing.assert_allclose(contrast.bank.value, bank, atol=1e-6)
    assert int(contrast.banked.value) == 6
    value = contrast(batch(sample_means=rounds[3, 0], second_sample_means=rounds[3, 1]))
    expected = contrastive_loss(*rounds[3], project_with(contrast), 0.5, bank)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_contrast_with_a_bank_that_is_not_full_leaves_the_empty_places_out(rng, contrast):
    rounds = rng.normal(size=(2, 2, 3, 5))
    contrast.after_update(batch(sample_means=rounds[0, 0], second_sample_means=rounds[0, 1]))
    contrast.end_round()
    value = contrast(batch(sample_means=rounds[1, 0], second_sample_means=rounds[1, 1]))
    expected = contrastive_loss(*rounds[1], project_with(contrast), 0.5, rounds[0])
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_contrast_moves_the_second_view_alone(rng, contrast):
    first, second = rng.normal(size=(2, 3, 5))

    def loss(f, s):
        return contrast(
            dk.objectives.SyntheticBatch(None, None, None, sample_means=1.0 * f, second_sample_means=1.0 * s)
        )

    assert np.abs(gradient_of(lambda s: loss(tensor(first), s), second)).max() > 1e-3
    assert np.abs(gradient_of(lambda f: loss(f, tensor(second)), first)).max() < 1e-6


def test_temperatures_that_are_not_positive_are_refused():
    for make in (objectives.SoftTargetCrossEntropy, losses.JensenShannon):
        with pytest.raises(ValueError, match=f"{make.__name__}.temperature=0.0 must be positive"):
            make(0.0)
