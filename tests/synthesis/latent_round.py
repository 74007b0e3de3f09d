"""A round of latent inversion, driven by hand."""

import keras
import numpy as np
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext
from tests.conftest import values

BATCH, LATENT, SHAPE = 4, 5, (8, 8, 1)


def adam(rate=0.01):
    return keras.optimizers.Adam(rate, beta_1=0.5, epsilon=1e-8)


def norm_teacher():
    hidden = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    model = keras.Sequential([layers.Input(SHAPE), *hidden, layers.Dense(3)])
    return dk.Teacher(model, dk.Normalization((0.5,), (0.25,)))


def draws(seed=0):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(BATCH, LATENT)), rng.integers(3, size=BATCH), rng.random(BATCH), rng.random((BATCH, 8))
    return Draws(*(ops.convert_to_tensor(a.astype(t)) for a, t in zip(arrays, ("f4", "i4", "f4", "f4"), strict=True)))


class Round:
    """A synthesizer and its context, driven by hand."""

    def __init__(self, learning=None, objective=None, optimizer=None, **kwargs):
        keras.utils.set_random_seed(0)
        self.teacher = norm_teacher()
        objective = objective or dk.objectives.WeightedSum(
            [dk.objectives.TargetCrossEntropy(), dk.objectives.BatchNormStatistics(0.9)], [1.0, 1.0]
        )
        generator = models.sigmoid_generator(LATENT, SHAPE, width=8)
        self.inversion = dk.synthesis.LatentInversion(generator, objective, adam(0.05), learning, **kwargs)
        self.inversion.prepare(self.teacher, BATCH)
        self.inversion.compile(optimizer or adam())
        self.context = SynthesisContext(self.teacher, None)

    def begin(self, seed=0):
        self.inversion.begin_round(draws(seed), self.teacher)

    def update(self):
        return self.inversion.update(draws(), self.context, 0)[0]

    def end(self):
        return self.inversion.end_round(draws(), self.teacher)

    def run(self, updates=3, seed=0):
        self.begin(seed)
        losses = [float(self.update()) for _ in range(updates)]
        return losses, *self.end()

    @property
    def weights(self):
        return values(self.inversion.generator.trainable_variables)
