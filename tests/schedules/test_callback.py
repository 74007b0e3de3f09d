import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras.synthesis import ProceduralImages

SHAPE = (8, 8, 1)


def classifier(never=()):
    """A classifier whose class is the brightest quarter, but never one of some."""
    model = keras.Sequential([layers.Input(SHAPE), layers.AveragePooling2D(4), layers.Flatten(), layers.Dense(4)])
    model.layers[-1].set_weights([np.eye(4), np.where(np.isin(np.arange(4), never), -1e3, 0.0)])
    return model


def distill(teacher, capacity, epochs=2):
    """Distills on images of two rounds of 16 in each epoch."""
    replay, schedule = dk.replay.ReplayBuffer(capacity), dk.schedules.RoundEveryStep(epochs, 1, steps_per_epoch=2)
    distiller = dk.DataFreeDistiller(
        teacher, classifier(), ProceduralImages(), schedule=schedule, replay=replay, batch_size=16
    )
    distiller.compile(keras.optimizers.SGD(0.01), synthesis_optimizer=keras.optimizers.SGD())
    distiller.fit(verbose=0)


def warnings(caplog):
    return [record.message for record in caplog.records if "the replay buffer is full" in record.message]


@pytest.mark.parametrize("capacity", [32, 48])  # full after the first epoch, and after the second
def test_classes_that_never_appear_are_named_once(caplog, capacity):
    distill(classifier(never=(1, 3)), capacity, epochs=3)
    (message,) = warnings(caplog)
    assert f"2 classes are in none of its {capacity} images (1, 3):" in message


@pytest.mark.parametrize("arguments", [((), 32), ((1,), 200)])  # all appear; more may still come
def test_nothing_is_said_while_no_class_is_known_to_be_missing(caplog, arguments):
    never, capacity = arguments
    distill(classifier(never), capacity)
    assert not warnings(caplog)
