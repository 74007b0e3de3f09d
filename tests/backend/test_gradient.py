"""Loops of updates: as many as asked for, also under a strategy."""

import subprocess
import sys

import pytest

import dfkd_keras as dk
from dfkd_keras.backend import gradient
from tests.commandline import ROOT, environment

TWO_DEVICES = """
import keras
import numpy as np
import tensorflow as tf
import dfkd_keras as dk
from dfkd_keras import models

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    objective = dk.objectives.WeightedSum([dk.objectives.AdversarialDiscrepancy(agreed_only=False)])
    synthesizer = dk.synthesis.GeneratorSynthesizer(models.upsampling_generator(4), objective)
    schedule = dk.schedules.Alternating(1, 2, 3, 2)
    distiller = dk.DataFreeDistiller(
        models.lenet5(), models.lenet5_half(), synthesizer, schedule=schedule, batch_size=4
    )
    distiller.compile("adam", synthesis_optimizer="adam")
    history = distiller.fit(verbose=0).history
assert all(np.isfinite(column).all() for column in history.values())
assert int(distiller.optimizer.iterations.numpy()) == 6
"""


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


def test_loops_work_under_a_strategy_of_two_devices(tmp_path):
    pytest.importorskip("tensorflow")
    env = environment(KERAS_BACKEND="tensorflow", PYTHONPATH=ROOT)
    process = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


def test_terms_that_learn_are_refused_by_synthesizers_that_do_not_train_them(make_distiller):
    class Learning(dk.objectives.Term):
        learned_variables = ("something",)

        def __call__(self, batch):
            return 0.0

    with pytest.raises(ValueError, match="a term has variables of its own, which GeneratorSynthesizer does not train"):
        make_distiller(objective=dk.objectives.WeightedSum([Learning()]))
