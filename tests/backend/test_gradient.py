"""Loops of updates: as many as asked for, and what is minimized. For strategies see `test_distribution.py`."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras.backend import gradient
from tests.conftest import values
from tests.synthesis.latent_round import Round


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_body_is_called_as_often_as_asked_for(count):
    if gradient.BACKEND != "tensorflow":
        pytest.skip("on JAX a loop is one of a model's training step")
    import tensorflow as tf

    total = tf.Variable(0.0)

    @tf.function
    def loop():
        gradient.repeat(count, lambda index: total.assign_add(1.0 + tf.cast(index, tf.float32)))

    loop()
    assert float(total) == count * (count + 1) / 2


def test_terms_that_learn_are_refused_by_synthesizers_that_do_not_train_them(make_distiller):
    class Learning(dk.objectives.Term):
        learned_variables = ("something",)

        def __call__(self, batch):
            return 0.0

    with pytest.raises(ValueError, match="a term has variables of its own, which GeneratorSynthesizer does not train"):
        make_distiller(objective=dk.objectives.WeightedSum([Learning()]))


class Adding(layers.Layer):
    """Adds the mean of its input to the loss."""

    def call(self, x):
        self.add_loss(ops.mean(x))
        return x


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Dense(1, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5)), 4.0 + 0.5 * 2),
        (layers.Dense(1, kernel_initializer="ones", activity_regularizer=keras.regularizers.L1(0.5)), 4.0 + 0.5 * 6),
        (Adding(), 4.0 + 3.0),
        (layers.Dense(1), 4.0),
    ],
)
def test_a_networks_own_losses_are_those_of_its_last_call(layer, expected):
    network = keras.Sequential([layers.Input((2,)), layer])
    for value in (1.0, 3.0):
        network(np.full((2, 2), value, "float32"), training=True)
    assert float(gradient.with_own_losses(ops.convert_to_tensor(4.0), network)) == pytest.approx(expected)


def decay(network):
    """Gives a network's first weight a penalty, whose gradient is the weight itself, and returns the weight."""
    weight = network.trainable_variables[0]
    weight.regularizer = keras.regularizers.L2(0.5)
    return values([weight])[0]


@pytest.mark.parametrize(
    "side", [lambda distiller: distiller.student, lambda distiller: distiller.synthesizer.generator]
)
def test_regularizers_of_student_and_generator_take_part_and_are_not_logged(make_distiller, side):
    weights, logs = [], []
    for decayed in (False, True):
        objective = dk.objectives.WeightedSum([dk.objectives.OneHotCrossEntropy()])
        distiller = make_distiller(dk.schedules.Alternating(1), batch_size=2, objective=objective)
        start = decay(side(distiller)) if decayed else None
        optimizers = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
        distiller.compile(*optimizers, run_eagerly=gradient.BACKEND == "tensorflow")
        logs.append(distiller.fit(steps_per_epoch=1, verbose=0).history["synthesis_loss"])
        weights.append(values(side(distiller).trainable_variables[:1])[0])
    np.testing.assert_allclose(weights[0] - weights[1], 0.1 * start, atol=1e-6)
    assert logs[0] == logs[1]


def test_regularizers_of_the_generator_take_part_in_a_round_but_not_in_the_choice_of_its_best_batch():
    if gradient.BACKEND != "tensorflow":
        pytest.skip("on JAX an update is part of a model's training step")
    weights, losses = [], []
    for decayed in (False, True):
        made = Round(optimizer=keras.optimizers.SGD(0.1))
        start = decay(made.inversion.generator) if decayed else None
        made.begin()
        losses.append(float(made.update()))
        weights.append(made.weights[0])
    np.testing.assert_allclose(weights[0] - weights[1], 0.1 * start, atol=1e-6)
    assert losses[0] == losses[1] == float(made.inversion.best.loss.value)
