"""The cache of the teacher's logits: which views it keeps, and that they are what the student is trained on."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.images import to_unit
from dfkd_keras.replay import PrioritySampling, ReplayBuffer, SoftLabelCache
from dfkd_keras.utils.errors import InvalidInputError
from tests.conftest import values

SHAPE, BATCH, CAPACITY = (8, 8, 1), 8, 20
AUGMENT = dk.augmentation.RandomCropFlip(padding=2)


def classifier():
    return keras.Sequential(
        [keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4, activation="relu"),
         keras.layers.Dense(3)]
    )  # fmt: skip


def segmenter():
    return keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Conv2D(3, 3, padding="same")])


def reversed_batch(images, uniforms):
    return images[::-1]


def distiller(cache, model=classifier, **parts):
    """Makes three rounds of two student updates on a buffer that the rounds overfill."""
    keras.utils.set_random_seed(0)
    synthesizer = dk.synthesis.LatentInversion(
        models.sigmoid_generator(5, SHAPE, width=4, filters=(4, 4)),
        dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()]),
        keras.optimizers.Adam(0.1),
    )
    parts = {"augment": AUGMENT, "replay": ReplayBuffer(CAPACITY, PrioritySampling())} | parts
    schedule = dk.schedules.Rounds(1, 3, warmup_rounds=1, synthesis_updates=1, student_updates=2)
    teacher, student = model(), model()
    made = dk.DataFreeDistiller(
        teacher, student, synthesizer, schedule=schedule, batch_size=BATCH, soft_label_cache=cache, **parts
    )
    made.compile(keras.optimizers.Adam(0.01), synthesis_optimizer=keras.optimizers.Adam(0.01))
    return made


def trained(cache, **parts):
    made = distiller(cache, **parts)
    made.fit(verbose=0)
    return made


@pytest.mark.parametrize("model", [classifier, segmenter])
def test_with_every_view_renewed_the_student_is_that_without_a_cache(model):
    with_cache, without = trained(SoftLabelCache(1, renewed_share=1.0), model=model), trained(None, model=model)
    for ours, theirs in zip(values(with_cache.student.variables), values(without.student.variables), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(with_cache.replay.priorities, without.replay.priorities, atol=1e-6)


@pytest.mark.parametrize("augment", [AUGMENT, None])
def test_what_is_kept_are_the_teachers_logits_for_the_kept_views_of_the_images_in_the_buffer(augment):
    views = 3
    made = trained(SoftLabelCache(views, renewed_share=0.25), augment=augment)
    rows = made.replay.stored * views
    images = to_unit(np.repeat(np.array(made.replay.images.value)[: made.replay.stored], views, axis=0))
    uniforms, logits = (
        np.array(kept.value)[:rows] for kept in (made.soft_label_cache.uniforms, made.soft_label_cache.logits)
    )
    seen = images if augment is None else augment(images, uniforms)
    np.testing.assert_allclose(made.teacher(seen).logits, logits, atol=1e-5)
    assert len(np.unique(uniforms, axis=0)) == rows


def test_the_teacher_sees_each_view_of_new_images_and_the_renewed_share_of_a_batch(monkeypatch):
    seen, call = [], dk.Teacher.__call__

    def counting(self, images, *args, **kwargs):
        seen.append(len(images))
        return call(self, images, *args, **kwargs)

    made = distiller(SoftLabelCache(views=2, renewed_share=0.3))
    batch = made.replay
    monkeypatch.setattr(dk.Teacher, "__call__", counting)
    draw = dk.schedules.noise.Draws(None, None, ops.zeros(BATCH), keras.random.uniform((BATCH, 8), seed=0))
    positions = batch.add(keras.random.uniform((BATCH, *SHAPE), seed=1), ops.zeros(BATCH, "int32"))
    made.soft_label_cache.add(positions, batch, draw, AUGMENT, made.teacher)
    assert seen == [BATCH, BATCH]
    made.soft_label_cache.recall(batch.sample(draw), draw, AUGMENT, made.teacher)  # one image, drawn in all rows
    assert seen == [BATCH, BATCH, 3]


def test_the_cache_is_part_of_the_saved_state(tmp_path):
    made = trained(SoftLabelCache(2))
    made.save_weights(tmp_path / "made.weights.h5")
    loaded = distiller(SoftLabelCache(2))
    loaded.load_weights(tmp_path / "made.weights.h5")
    for kept in ("uniforms", "logits"):
        np.testing.assert_array_equal(*(getattr(each.soft_label_cache, kept).numpy() for each in (made, loaded)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"views": 0}, r"SoftLabelCache\.views=0"), ({"renewed_share": 1.5}, r"SoftLabelCache\.renewed_share=1\.5")],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        SoftLabelCache(**arguments)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"augment": dk.augmentation.RollFlip()}, "by its own numbers, which RollFlip does not say that it is"),
        ({"augment": reversed_batch}, r"which reversed_batch does not say .* give yours by_image = True"),
        ({"distillation_loss": dk.losses.AttentionTransfer(), "replay": ReplayBuffer(16)}, "AttentionTransfer matches"),
    ],
)
def test_parts_that_need_more_than_logits_of_single_images_are_refused(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        distiller(SoftLabelCache(), **parts)


def test_a_share_that_floats_make_a_little_more_is_not_one_image_more():
    cache = SoftLabelCache(renewed_share=0.07)
    replay = ReplayBuffer(100)
    teacher = dk.Teacher(classifier())
    replay.prepare(teacher, 100, 1)
    cache.prepare(teacher, replay, 100)
    assert 0.07 * 100 > 7 and cache.renewed == 7


def test_images_that_are_not_kept_have_no_cache():
    objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
    fresh = dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(5, (32, 32, 1)), objective)
    with pytest.raises(InvalidInputError, match=r"for the images of a ReplayBuffer, but .* is FreshSamples"):
        dk.DataFreeDistiller(
            models.lenet5(), models.lenet5_half(), fresh, batch_size=8, soft_label_cache=SoftLabelCache()
        )
