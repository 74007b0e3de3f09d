"""Batches of a replay buffer of which a part is made anew."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.replay import FreshShare, PrioritySampling, ReplayBuffer, SoftLabelCache
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis import ProceduralImages
from dfkd_keras.utils.errors import InvalidInputError
from tests.conftest import equal, values
from tests.replay.conftest import BATCH, SHAPE, add


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.fixture
def buffer(teacher):
    made = ReplayBuffer(10, PrioritySampling(), fresh=FreshShare(ProceduralImages()))
    made.prepare(teacher, BATCH, rounds=5)
    add(made, [10, 20, 30, 40])
    return made


def draws(buffer):
    selection = ops.convert_to_tensor(np.array([0.1, 0.4, 0.6, 0.9], "float32"))
    return Draws(None, None, selection, None, ops.convert_to_tensor(random(BATCH, buffer.latent_dim)))


def test_half_of_a_batch_is_procedural_with_a_weight_of_one_and_the_rest_is_the_buffers(buffer, teacher):
    batch = buffer.sample(draws(buffer), teacher=teacher)
    expected = ProceduralImages()
    expected.prepare(teacher, BATCH)
    images = np.array(batch.images)
    np.testing.assert_allclose(images[:2], expected.sample(random(BATCH, buffer.latent_dim)[:2], teacher), atol=1e-6)
    np.testing.assert_allclose(images[2:, 0, 0, 0] * 255.0, [30, 40], atol=1e-4)
    assert np.array(batch.weights)[:2].tolist() == [1.0, 1.0]


def test_replaced_images_keep_their_priorities(buffer, teacher):
    batch, before = buffer.sample(draws(buffer), teacher=teacher), np.array(buffer.priorities.value)
    buffer.update(batch, random(BATCH, 10, seed=1), random(BATCH, 10, seed=2))
    after = np.array(buffer.priorities.value)
    assert np.array(batch.indices).tolist() == [0, 1, 2, 3]
    assert (after[:4] == before[:4]).tolist() == [True, True, False, False]


def test_the_random_numbers_of_all_else_are_those_without_it():
    schedule = dk.schedules.Rounds(1, 2, warmup_rounds=1, synthesis_updates=1, student_updates=2)
    usual, with_fresh = (
        dk.schedules.noise.NoiseStream(schedule, 4, 3, num_classes=10, by_rounds=True, fresh_dim=dim)[6]
        for dim in (0, 7)
    )
    assert (usual.pop("fresh").shape, with_fresh.pop("fresh").shape) == ((4, 1, 0), (4, 1, 7))
    assert equal([*usual.values()], [*with_fresh.values()])


def distiller(**parts):
    keras.utils.set_random_seed(0)
    teacher, student = (
        keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)]) for _ in range(2)
    )
    synthesizer = dk.synthesis.LatentInversion(
        models.sigmoid_generator(5, SHAPE, width=4, filters=(4, 4)),
        dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()]),
        keras.optimizers.Adam(0.1),
    )
    replay = ReplayBuffer(20, PrioritySampling(), fresh=FreshShare(ProceduralImages(), share=0.3))
    schedule = dk.schedules.Rounds(2, 3, warmup_rounds=1, synthesis_updates=1, student_updates=2)
    made = dk.DataFreeDistiller(teacher, student, synthesizer, schedule=schedule, batch_size=8, replay=replay, **parts)
    made.compile(keras.optimizers.Adam(0.01), synthesis_optimizer=keras.optimizers.Adam(0.01))
    return made


def test_training_resumes_with_the_same_new_images(tmp_path):
    whole, first, second = distiller(), distiller(), distiller()
    whole.fit(verbose=0)
    first.fit(epochs=1, verbose=0)
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    second.fit(initial_epoch=1, verbose=0)
    for one, other in zip(values(whole.student.variables), values(second.student.variables), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_saved_distiller_has_it_still(tmp_path):
    made = distiller()
    config = keras.saving.serialize_keras_object(made.replay)
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.fresh.share, type(copy.fresh.synthesizer)) == (0.3, ProceduralImages)


def test_kept_soft_labels_are_refused_beside_it():
    with pytest.raises(InvalidInputError, match=r"SoftLabelCache keeps logits .* leave one of them out"):
        distiller(soft_label_cache=SoftLabelCache())


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, True, float("nan"), "half"])
def test_shares_outside_of_the_range_are_refused(share):
    with pytest.raises(InvalidInputError, match=r"FreshShare\.share="):
        FreshShare(ProceduralImages(), share)


def test_a_share_of_less_than_one_image_is_refused(teacher):
    with pytest.raises(InvalidInputError, match=r"FreshShare\.share=0\.1 of 4 images is less than one"):
        ReplayBuffer(10, fresh=FreshShare(ProceduralImages(), 0.1)).prepare(teacher, BATCH, rounds=5)


def test_a_synthesizer_that_has_to_be_trained_is_refused():
    with pytest.raises(InvalidInputError, match="LatentInversion has to be trained"):
        FreshShare(distiller().synthesizer)
