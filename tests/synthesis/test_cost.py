"""An update of pixel inversion costs little more than the teacher's forward and backward pass."""

import json
import subprocess
import sys

import pytest

from tests.commandline import ROOT, environment

MEASURE = """
import json, time
import keras
import numpy as np
import tensorflow as tf
import dfkd_keras as dk
from dfkd_keras import augmentation, gradient, models, objectives, synthesis
from dfkd_keras.noise import Draws
from dfkd_keras.synthesis.synthesizer import Surroundings

BATCH, UPDATES = 256, 8
rng = np.random.default_rng(0)
normalisation = dk.Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
teacher = dk.Teacher(models.cifar_resnet(depth=20, normalisation=normalisation), normalisation)
terms = [
    dk.TargetCrossEntropy(), dk.BatchNormStatistics(), objectives.TotalVariation(), objectives.ImageNorm()
]
inversion = synthesis.PixelInversion(dk.WeightedSum(terms), jitter=augmentation.RollFlip(2))
inversion.prepare(teacher, BATCH)
inversion.compile(keras.optimizers.Adam(0.05))
draws = Draws(*(tf.constant(a) for a in (
    rng.normal(size=(BATCH, 3072)).astype("float32"), rng.integers(10, size=BATCH, dtype=np.int32),
    rng.random(BATCH, dtype=np.float32), rng.random((BATCH, 8), dtype=np.float32))))
inversion.open_round(draws)
around = Surroundings(teacher, None)
images, labels = tf.Variable(draws.latents.numpy().reshape(BATCH, 32, 32, 3)), draws.labels
bare_model = keras.models.clone_model(teacher.model)
bare_model.set_weights(teacher.model.get_weights())

@tf.function
def updates():
    gradient.repeat(UPDATES, lambda index: inversion.update(draws, around, index))

@tf.function
def bare():
    for _ in tf.range(UPDATES):
        with tf.GradientTape() as tape:
            logits = bare_model(images * 0.25 + 0.5, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        images.assign_sub(1e-3 * tape.gradient(loss, images))

def seconds(function):
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) / UPDATES

for function in (updates, bare):
    function()
times = [(seconds(updates), seconds(bare)) for _ in range(5)]
print(json.dumps({"update": float(np.median([a for a, _ in times])), "bare": float(np.median([b for _, b in times]))}))
"""


@pytest.mark.slow
def test_an_update_costs_at_most_1_2_times_a_bare_pass():
    pytest.importorskip("tensorflow")
    command, env = [sys.executable, "-c", MEASURE], environment(KERAS_BACKEND="tensorflow")
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    assert measured["update"] < 1.2 * measured["bare"], measured
