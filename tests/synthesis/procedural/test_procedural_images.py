import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras.backend.gradient import BACKEND
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis import DeadLeaves, NoisePyramids, ProceduralImages, Spectra, Strokes
from tests.synthesis.procedural.test_mixture import NEUTRAL_CONTRAST

FAMILIES = {"pyramids": NoisePyramids(), "leaves": DeadLeaves(), "spectra": Spectra(), "strokes": Strokes()}


def classifier(shape):
    return keras.Sequential([layers.Input(shape), layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), layers.Dense(3)])


def prepared(shape, families=None, batch_size=8):
    teacher, synthesizer = dk.Teacher(classifier(shape)), ProceduralImages(families)
    synthesizer.prepare(teacher, batch_size)
    return synthesizer, teacher


def random_latents(synthesizer, count=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, synthesizer.latent_dim)).astype("float32")


def compiled(function):
    """Compiles a function as the backend's trainer does."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    import jax

    return jax.jit(function)


def make_distiller(batch_size=8, families=None):
    keras.utils.set_random_seed(0)
    shape = (12, 12, 1)
    synthesizer, schedule = ProceduralImages(families), dk.schedules.TwoStage(0, 2, steps_per_epoch=3)
    distiller = dk.DataFreeDistiller(
        classifier(shape), classifier(shape), synthesizer, dk.losses.SoftTargets(4.0), schedule, batch_size=batch_size
    )
    distiller.compile(keras.optimizers.Adam(1e-2), synthesis_optimizer=keras.optimizers.SGD())
    return distiller


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (33, 47, 3), (64, 64, 4)])
def test_images_are_unit_images_of_the_teachers_shape(shape):
    synthesizer, teacher = prepared(shape)
    images = np.array(synthesizer.sample(random_latents(synthesizer, 16), teacher))
    assert images.shape == (16, *shape) and images.dtype == np.float32
    assert np.isfinite(images).all() and images.min() >= 0.0 and images.max() <= 1.0
    assert images.std() > 0.15 and np.mean(images.std(axis=(1, 2, 3)) > 0.02) > 0.8


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(8, 8, 1), (21, 16, 4)])
def test_each_family_draws_varied_images_of_any_shape(family, shape):
    family = FAMILIES[family]
    latents = np.random.default_rng(0).normal(size=(16, family.latent_dim(shape))).astype("float32")
    images = np.array(family(latents, shape))
    assert images.shape == (16, *shape) and np.isfinite(images).all()
    flat = images.reshape(16, -1)
    assert np.linalg.norm(flat[:, None] - flat[None], axis=-1)[~np.eye(16, dtype=bool)].min() > 0.1


def test_images_are_a_function_of_the_latents_compiled_or_not():
    synthesizer, teacher = prepared((17, 20, 3))
    latents = ops.convert_to_tensor(random_latents(synthesizer))
    images = np.array(synthesizer.sample(latents, teacher))
    np.testing.assert_array_equal(synthesizer.sample(latents, teacher), images)
    again = compiled(lambda latents: synthesizer.sample(latents, teacher))(latents)
    np.testing.assert_allclose(again, images, atol=1e-4)
    others = synthesizer.sample(random_latents(synthesizer, seed=1), teacher)
    assert np.abs(np.array(others) - images).mean() > 0.1


def test_a_batch_of_unknown_size_has_the_same_images():
    if BACKEND != "tensorflow":
        pytest.skip("sizes are known wherever JAX compiles")
    import tensorflow as tf

    synthesizer, teacher = prepared((12, 12, 3))
    signature = [tf.TensorSpec((None, synthesizer.latent_dim), tf.float32)]
    sample = tf.function(lambda latents: synthesizer.sample(latents, teacher), input_signature=signature)
    for count in (1, 3, 8):
        latents = random_latents(synthesizer, count)
        np.testing.assert_allclose(sample(latents), synthesizer.sample(latents, teacher), atol=1e-4)


def test_each_family_draws_its_part_of_the_batch():
    shape, families = (16, 16, 1), list(FAMILIES.values())
    synthesizer, teacher = prepared(shape, families)
    latents = random_latents(synthesizer, 9)
    blending, tone = latents[:, :7], latents[:, 7:12]
    blending[:, 0] = 0.0  # alone
    tone[:] = [9.0, NEUTRAL_CONTRAST, 0.0, 0.0, 9.0]  # neutral
    images = np.array(synthesizer.sample(latents, teacher))
    for family, share in zip(families, (slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 9)), strict=True):
        drawn = np.array(family(latents[share, 12:], shape))
        np.testing.assert_allclose(images[share], np.clip(drawn, 0, 1), atol=1e-3)


def test_the_latent_is_as_long_as_its_longest_family_takes():
    small, large = prepared((16, 16, 1))[0], prepared((16, 16, 3))[0]
    assert small.latent_dim < large.latent_dim
    alone = prepared((16, 16, 1), [Strokes()])[0]
    assert alone.latent_dim == 12 + Strokes().latent_dim((16, 16, 1)) < small.latent_dim


def test_a_teacher_of_any_size_must_be_told_a_size():
    teacher = dk.Teacher(classifier((None, None, 3)))
    with pytest.raises(ValueError, match=r"takes images of any size, .*Teacher\.image_shape"):
        ProceduralImages().prepare(teacher, 8)


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ((), "must be one or more families"),
        ("strokes", "must be a list of objects of ImageFamily"),
        (["strokes"], "must be a list of objects of ImageFamily"),
        (Strokes(), "must be a list of objects of ImageFamily"),
        ([Strokes], r"must be a list of objects of ImageFamily, not a class: call Strokes, in gin @Strokes\(\)"),
    ],
)
def test_families_must_be_families(families, message):
    with pytest.raises(ValueError, match=rf"ProceduralImages\.families=.* {message}"):
        ProceduralImages(families)


def test_training_leaves_the_teacher_as_it_is_and_teaches_the_student():
    distiller = make_distiller()
    teacher, student = (
        [np.array(each) for each in net.weights] for net in (distiller.teacher.model, distiller.student)
    )
    history = distiller.fit(verbose=0).history
    assert np.isfinite(history["distillation_loss"]).all()
    assert all(np.array_equal(a, b) for a, b in zip(teacher, distiller.teacher.model.weights, strict=True))
    assert not np.array_equal(student[0], distiller.student.weights[0])


def test_a_schedule_with_synthesis_is_refused():
    with pytest.raises(ValueError, match=r"ProceduralImages has nothing to train.*TwoStage\(synthesis_epochs=0\)"):
        dk.DataFreeDistiller(
            classifier((12, 12, 1)), classifier((12, 12, 1)), ProceduralImages(), schedule=dk.schedules.TwoStage(1, 1)
        )


def test_a_round_draws_new_images_with_the_classes_of_the_teacher():
    synthesizer, teacher = prepared((12, 12, 1))
    draws = Draws(ops.convert_to_tensor(random_latents(synthesizer)), None, None, None)
    images, labels = synthesizer.end_round(draws, teacher)
    np.testing.assert_array_equal(images, synthesizer.sample(draws.latents, teacher))
    np.testing.assert_array_equal(labels, np.argmax(teacher.model(images), axis=-1))
    assert int(synthesizer.rounds.value) == 1


def test_a_replay_buffer_is_filled_with_them_in_every_step():
    teacher = classifier((12, 12, 1))
    distiller = dk.DataFreeDistiller(
        teacher,
        classifier((12, 12, 1)),
        ProceduralImages(),
        schedule=dk.schedules.RoundEveryStep(1, student_updates=3, steps_per_epoch=4),
        replay=dk.replay.ReplayBuffer(20, eviction=dk.replay.LargestClassFirst()),
        batch_size=8,
    )
    distiller.compile(keras.optimizers.Adam(1e-2), synthesis_optimizer=keras.optimizers.SGD())
    distiller.fit(verbose=0)
    assert (distiller.replay.stored, int(distiller.replay.written.value)) == (20, 32)
    assert int(distiller.optimizer.iterations) == 12
    images = distiller.replay.preview(20)
    counts = np.bincount(np.argmax(teacher(images), axis=-1), minlength=3)
    np.testing.assert_array_equal(distiller.replay.class_counts.value, counts)
    assert len(np.unique(images, axis=0)) == 20


def test_a_saved_distiller_draws_the_same_images(tmp_path):
    distiller = make_distiller(families=[DeadLeaves(max_leaves=5), Strokes(max_strokes=2)])
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    assert tuple(loaded.synthesizer.families) == (DeadLeaves(5), Strokes(2))
    latents = random_latents(distiller.synthesizer)
    np.testing.assert_array_equal(loaded.synthesize(latents), distiller.synthesize(latents))
