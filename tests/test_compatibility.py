"""Whether parts fit together, told before anything is trained."""

import keras
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras import models, synthesis
from dfkd_keras.schedule import Rounds, RoundsFirst

ANY_SIZE = (None, None, 1)


def classifier():
    inputs = layers.Input(ANY_SIZE)
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))))


def inverted_latents():
    objective = dk.WeightedSum([dk.TargetCrossEntropy()])
    return synthesis.LatentInversion(models.sigmoid_generator(5, (32, 32, 1)), objective, keras.optimizers.Adam())


def inverted_pixels():
    return synthesis.PixelInversion(dk.WeightedSum([dk.TargetCrossEntropy()]))


@pytest.mark.parametrize(("inverted", "schedule"), [(inverted_latents, Rounds), (inverted_pixels, RoundsFirst)])
def test_images_that_are_kept_are_of_one_size(inverted, schedule):
    parts = {"schedule": schedule(), "replay": dk.ReplayBuffer(16), "batch_size": 8}
    with pytest.raises(ValueError, match=r"any size, \(None, None, 1\): say in Teacher\.image_shape"):
        dk.DataFreeDistiller(classifier(), classifier(), inverted(), **parts)
    teacher = dk.Teacher(classifier(), image_shape=(32, 32, 1))
    assert dk.DataFreeDistiller(teacher, classifier(), inverted(), **parts).replay.images.shape == (16, 32, 32, 1)
