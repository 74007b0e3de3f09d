"""What the tests of the replay buffer share."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras.schedules.noise import Draws

SHAPE, BATCH = (4, 4, 1), 4


@pytest.fixture
def teacher():
    model = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(10)])
    return dk.Teacher(model, dk.Normalization((0.5,), (0.25,)))


@pytest.fixture
def make(teacher):
    def make(capacity=10, sampling=None, eviction=None):
        buffer = dk.replay.ReplayBuffer(capacity, sampling, eviction)
        buffer.prepare(teacher, BATCH, rounds=5)
        return buffer

    return make


@pytest.fixture
def segmenter():
    return dk.Teacher(keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Conv2D(10, 1)]))


def add(buffer, values, labels=None):
    """Adds one image per value, all of whose pixels are value / 255."""
    images = np.ones((len(values), *SHAPE), "float32") * np.array(values, "float32")[:, None, None, None] / 255.0
    labels = [0] * len(values) if labels is None else labels
    buffer.add(ops.convert_to_tensor(images), ops.convert_to_tensor(np.array(labels, "int32")))


def contents(buffer):
    """The values of the images it holds, position by position."""
    return np.array(buffer.images.value)[: buffer.stored, 0, 0, 0].tolist()


def counts(buffer):
    return np.array(buffer.class_counts.value)


def draws(selection):
    return Draws(None, None, ops.convert_to_tensor(np.array(selection, "float32")), None)
