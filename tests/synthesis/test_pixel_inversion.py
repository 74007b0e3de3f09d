"""Images as variables: rounds, bounds, and the loop of updates within one compiled step."""

import keras
import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras import augmentation
from dfkd_keras.schedules.rounds import RoundsFirst
from tests.conftest import equal, values
from tests.synthesis.conftest import SHAPE, B, draws


def test_a_round_starts_from_the_noise_and_updates_lower_the_loss(make):
    inverted = make()
    inverted.inversion.begin_round(draws(), inverted.teacher)
    np.testing.assert_allclose(inverted.images, np.array(draws().latents).reshape(B, *SHAPE))
    losses = [inverted.update() for _ in range(40)]
    assert losses[-1] < 0.9 * losses[0]


def test_unit_images_start_uniform(make):
    inverted = make(output_space="unit")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    assert 0 <= inverted.images.min() < 0.01 < 0.99 < inverted.images.max() <= 1
    assert abs(inverted.images.mean() - 0.5) < 0.02
    assert abs(inverted.images.std() - np.sqrt(1 / 12)) < 0.01


@pytest.mark.parametrize("space", ["unit", "normalized"])
def test_a_round_may_start_from_the_images_of_another_synthesizer(make, space):
    start = dk.synthesis.ProceduralImages()
    inverted = make(output_space=space, start=start)
    latents = np.random.default_rng(0).normal(size=(B, inverted.inversion.latent_dim)).astype("float32")
    inverted.inversion.begin_round(draws()._replace(latents=latents), inverted.teacher)
    unit = inverted.images if space == "unit" else inverted.teacher.normalization.denormalize(inverted.images)
    np.testing.assert_allclose(unit, start.sample(latents, inverted.teacher), atol=1e-6)
    assert inverted.inversion.latent_dim == start.latent_dim != np.prod(SHAPE)


def test_a_round_does_not_start_from_a_synthesizer_that_has_to_be_trained(make):
    objective = dk.objectives.WeightedSum([dk.objectives.ClassEntropy()])
    generator = dk.synthesis.GeneratorSynthesizer(dk.models.sigmoid_generator(2, (8, 8, 1)), objective)
    with pytest.raises(ValueError, match=r"PixelInversion\.start=GeneratorSynthesizer has to be trained itself"):
        make(start=generator)


def test_every_round_starts_over_with_a_fresh_optimizer(make):
    inverted = make()
    losses = []
    for _ in range(2):
        inverted.inversion.begin_round(draws(), inverted.teacher)
        losses.append([inverted.update() for _ in range(5)])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_batch_of_the_lowest_loss_is_kept_and_not_an_alias(make):
    inverted = make(learning_rate=3.0)  # too much, so that later images may be worse
    inverted.inversion.begin_round(draws(), inverted.teacher)
    history = []
    for _ in range(8):
        images = inverted.images
        history.append((inverted.update(), images))
    best = min(history, key=lambda pair: pair[0])[1]
    np.testing.assert_array_equal(inverted.inversion.best.images.value, best)
    assert not np.array_equal(inverted.images, best)


def test_a_round_ends_with_unit_images_and_the_class_the_teacher_predicts(make):
    inverted = make()
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    images, classes = inverted.inversion.end_round(draws(), inverted.teacher)
    assert np.array(images).min() >= 0
    assert np.array(images).max() <= 1
    expected = np.argmax(inverted.teacher(images).logits, axis=1)
    np.testing.assert_array_equal(classes, expected)


def test_clipped_images_stay_within_the_unit_interval(make):
    inverted = make(bounds="clip")
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    unit = np.array(inverted.teacher.normalization.denormalize(inverted.images))
    assert unit.min() >= -1e-6
    assert unit.max() <= 1 + 1e-6


def test_rescaled_images_fill_the_unit_interval_before_each_update(make):
    inverted = make(output_space="unit", bounds="rescale", learning_rate=0.5)
    inverted.inversion.begin_round(draws(), inverted.teacher)
    inverted.update()
    before = inverted.images
    inverted.update()
    rescaled = (before - before.min()) / (before.max() - before.min())
    np.testing.assert_allclose(inverted.images, rescaled, atol=0.51)
    assert before.max() - before.min() > 1.1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"bounds": "box"}, "must be one of 'none', 'clip', 'rescale'"),
        ({"bounds": "rescale"}, "set output_space='unit'"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(make, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_there_are_no_images_from_latents(make):
    with pytest.raises(ValueError, match="cannot make images from latents"):
        make().inversion.sample(np.zeros((1, 1024), "float32"), None)


def test_jitter_is_applied_before_the_networks(make):
    jitter = augmentation.RollFlip(2)
    inverted = make(jitter=jitter)
    inverted.inversion.begin_round(draws(), inverted.teacher)
    images = inverted.teacher.normalization.denormalize(inverted.images)
    logits = inverted.teacher(jitter(images, draws().augmentation)).logits
    batch = dk.objectives.SyntheticBatch(images, None, logits, labels=inverted.inversion.labels.value)
    expected = np.mean(dk.objectives.TargetCrossEntropy()(batch))
    np.testing.assert_allclose(inverted.update(), expected, rtol=1e-5)
    np.testing.assert_allclose(inverted.inversion.best.images.value, np.array(draws().latents).reshape(B, *SHAPE))


def test_a_loop_of_updates_equals_updates_step_by_step(make_inverting_distiller):
    buffers = []
    for updates_per_step in (1, 4):  # of one round: the next would start from the noise of another step
        distiller = make_inverting_distiller(RoundsFirst(1, 1, 4, 1, updates_per_step=updates_per_step))
        distiller.fit(epochs=1, verbose=0)
        buffers.append(np.array(distiller.replay.images.value).astype(int))
    assert np.abs(buffers[0] - buffers[1]).max() <= 1
    assert buffers[0].std() > 10


def test_no_retrace_after_the_first_round(make_inverting_distiller):
    traces = []

    class Counted(dk.objectives.TargetCrossEntropy):
        @property
        def name(self):
            return "counted"

        def __call__(self, batch):
            traces.append(1)
            return super().__call__(batch)

    distiller = make_inverting_distiller(RoundsFirst(3, 2, 4, 1, updates_per_step=2), [Counted()])
    traces.clear()
    distiller.fit(epochs=1, verbose=0)
    after_first = len(traces)
    distiller.fit(initial_epoch=1, epochs=3, verbose=0)
    assert len(traces) == after_first > 0


def test_first_the_rounds_then_the_student(make_inverting_distiller):
    distiller = make_inverting_distiller(RoundsFirst(1, 2, 4, 1, updates_per_step=2))
    student = values(distiller.student.variables)
    distiller.fit(epochs=1, verbose=0)
    assert equal(values(distiller.student.variables), student)
    kept = values(distiller.replay.variables)
    distiller.fit(initial_epoch=1, epochs=2, verbose=0)
    assert not equal(values(distiller.student.variables), student)
    assert equal(kept[:1], values(distiller.replay.variables)[:1])
    assert distiller.replay.stored == 2 * B


def test_a_distiller_that_inverts_pixels_survives_saving(make_inverting_distiller, tmp_path):
    distiller = make_inverting_distiller(RoundsFirst(1, 1, 2, 1, updates_per_step=2))
    distiller.fit(verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    assert equal(values(loaded.replay.variables), values(distiller.replay.variables))
    assert equal(values(loaded.synthesizer.variables), values(distiller.synthesizer.variables))


def test_a_loop_of_updates_runs_eagerly_too(make_inverting_distiller):
    distiller = make_inverting_distiller(RoundsFirst(1, 1, 4, 1, updates_per_step=4))
    distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.Adam(0.05), run_eagerly=True)
    distiller.fit(epochs=1, verbose=0)
    assert distiller.replay.stored == B
    assert np.array(distiller.replay.images.value).std() > 10


def test_a_round_of_nothing_but_nan_is_seen(make):
    inverted = make()
    for seed, poison in ((0, 1.0), (1, np.nan)):
        inverted.inversion.begin_round(draws(seed), inverted.teacher)
        inverted.inversion.images.assign(inverted.inversion.images.value * poison)
        inverted.update()
    assert np.isnan(inverted.inversion.best.images.value).all()
