import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras.synthesis import ProceduralImages, held_out_images


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (33, 47, 3), (64, 64, 4)])
def test_images_are_8_bit_images_of_the_shape(shape):
    images = held_out_images(shape, 12)
    assert images.shape == (12, *shape) and images.dtype == np.uint8
    assert np.mean(images.std(axis=(1, 2, 3)) > 8) > 0.8
    assert images.min() < 40 and images.max() > 215


def test_they_are_a_function_of_shape_and_seed():
    first = held_out_images((16, 16, 3), 20, seed=4)
    np.testing.assert_array_equal(held_out_images((16, 16, 3), 20, seed=4), first)
    assert not (held_out_images((16, 16, 3), 20, seed=5) == first).all(axis=(1, 2, 3)).any()


def test_the_first_images_do_not_depend_on_how_many_are_asked_for():
    shape = (192, 192, 1)  # of which a batch holds a few
    np.testing.assert_array_equal(held_out_images(shape, 9)[:3], held_out_images(shape, 3))


def test_all_images_differ():
    images = held_out_images((12, 12, 1), 3000)
    assert len(np.unique(images.reshape(3000, -1), axis=0)) == 3000


def test_training_sees_none_of_them():
    shape, seed = (16, 16, 1), 0
    teacher = dk.Teacher(keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(3)]))
    synthesizer = ProceduralImages()
    synthesizer.prepare(teacher, 64)
    schedule = dk.schedules.TwoStage(0, 1, steps_per_epoch=4)
    noise = dk.schedules.noise.NoiseStream(schedule, 64, synthesizer.latent_dim, num_classes=3, seed=seed)
    latents = np.concatenate([noise[step]["latents"][:, 0] for step in range(4)])
    drawn = np.array(synthesizer.sample(ops.convert_to_tensor(latents), teacher)).reshape(256, 1, -1)
    kept = held_out_images(shape, 64, seed).reshape(1, 64, -1) / np.float32(255)
    assert np.abs(drawn - kept).max(axis=-1).min() > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, r"held_out_images\.count=0 must be"),
        ({"seed": -1}, r"held_out_images\.seed=-1 must be"),
        ({"image_shape": (None, None, 3)}, r"held_out_images\.image_shape=\(None, None, 3\) must be"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        held_out_images(**{"image_shape": (8, 8, 1), "count": 2} | arguments)
