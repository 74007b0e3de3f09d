"""What the tests of pixel inversion share."""

import keras
import numpy as np
import pytest
from keras import ops

import dfkd_keras as dk
from dfkd_keras import models, synthesis
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext

SHAPE = (32, 32, 1)
B = 8


def draws(seed=0, batch_size=B):
    rng = np.random.default_rng(seed)
    return Draws(
        ops.convert_to_tensor(rng.normal(size=(batch_size, 1024)).astype("float32")),
        ops.convert_to_tensor(rng.integers(10, size=batch_size).astype("int32")),
        ops.convert_to_tensor(rng.random(batch_size).astype("float32")),
        ops.convert_to_tensor(rng.random((batch_size, 8)).astype("float32")),
    )


class Inverted:
    """A prepared inversion of a small teacher."""

    def __init__(self, normalization, terms=None, learning_rate=0.05, **kwargs):
        keras.utils.set_random_seed(0)
        self.teacher = dk.Teacher(models.lenet5(normalization=normalization), normalization)
        objective = dk.objectives.WeightedSum(terms or [dk.objectives.TargetCrossEntropy()])
        self.inversion = synthesis.PixelInversion(objective, **kwargs)
        self.inversion.prepare(self.teacher, B)
        self.inversion.compile(keras.optimizers.Adam(learning_rate))
        self.context = SynthesisContext(self.teacher, models.lenet5_half(normalization=normalization))

    def update(self, seed=0):
        return float(self.inversion.update(draws(seed), self.context, 0)[0])

    @property
    def images(self):
        return np.array(self.inversion.images.value)


@pytest.fixture
def make(normalization):
    return lambda *args, **kwargs: Inverted(normalization, *args, **kwargs)


@pytest.fixture
def make_inverting_distiller(normalization):
    """Returns a function that builds a compiled distiller that inverts pixels, the same at every call."""

    def make(schedule, terms=None, **kwargs):
        keras.utils.set_random_seed(0)
        teacher = dk.Teacher(models.lenet5(normalization=normalization), normalization)
        synthesizer = synthesis.PixelInversion(
            dk.objectives.WeightedSum(terms or [dk.objectives.TargetCrossEntropy()]), **kwargs
        )
        student = models.lenet5_half(normalization=normalization)
        distiller = dk.DataFreeDistiller(
            teacher, student, synthesizer, schedule=schedule, replay=dk.replay.ReplayBuffer(None), batch_size=B
        )
        distiller.compile(keras.optimizers.Adam(1e-3), synthesis_optimizer=keras.optimizers.Adam(0.05))
        return distiller

    return make
