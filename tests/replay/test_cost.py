"""What a replay buffer costs: bytes and seconds, in a process of its own."""

import json
import subprocess
import sys

import pytest

from tests.commandline import ROOT, environment

MEASURE = """
import json, resource, sys, time
import keras
import numpy as np
import tensorflow as tf
import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.backend import gradient
from dfkd_keras.schedules.noise import Draws

BATCH, CAPACITY, DRAWS = 256, int(sys.argv[1]), 10
rng = np.random.default_rng(0)
images = tf.constant(rng.random((BATCH, 32, 32, 3), dtype=np.float32))
labels = tf.constant(rng.integers(10, size=BATCH, dtype=np.int32))
logits = [tf.constant(rng.normal(size=(BATCH, 10)).astype("float32")) for _ in range(2)]
normalization = dk.Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
teacher, student = dk.Teacher(models.cifar_resnet(depth=8), normalization), models.cifar_resnet(depth=8)
optimizer = keras.optimizers.SGD()
optimizer.build(student.trainable_variables)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

def filled(capacity):
    replay = dk.replay.ReplayBuffer(capacity, dk.replay.PrioritySampling())
    replay.prepare(teacher, BATCH, rounds=1)

    @tf.function
    def add():
        replay.add(images, labels)

    @tf.function
    def draw(count, selection):
        batch = replay.sample(Draws(None, None, selection, None))
        replay.update(batch, *logits)
        return count + 1, selection + 0.0 * batch.images[0, 0, 0, 0]

    for _ in range(capacity // BATCH + 2):
        add()
    draw(0, tf.zeros(BATCH))
    return draw

@tf.function
def train(selection):
    target = teacher(images).logits
    loss_fn = lambda: (tf.reduce_mean(dk.losses.SoftTargets()(target, student(images, training=True))), ())
    return gradient.minimize(loss_fn, student.trainable_variables, optimizer)[0]

def seconds(function):
    times = []
    for _ in range(12):
        selection, start = tf.constant(rng.random(BATCH, dtype=np.float32)), time.perf_counter()
        function(selection).numpy()
        times.append(time.perf_counter() - start)
    return min(times)

filled(BATCH)  # what TensorFlow needs the first time is not the buffer's
before = peak()
draw = filled(CAPACITY)
megabytes = peak() - before

@tf.function
def draw_often(selection):  # a training step draws without a call of its own
    return tf.while_loop(lambda count, _: count < DRAWS, draw, (0, selection), parallel_iterations=1)[1]

drawing = seconds(draw_often) / DRAWS
print(json.dumps({"megabytes": megabytes, "share": drawing / seconds(train)}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("capacity", "megabytes"), [(5_000, 32), (50_000, 200)])
def test_a_buffer_takes_little_more_than_its_bytes_and_next_to_no_time(capacity, megabytes):
    pytest.importorskip("tensorflow")
    command = [sys.executable, "-c", MEASURE, str(capacity)]
    process = subprocess.run(
        command, cwd=ROOT, env=environment(KERAS_BACKEND="tensorflow"), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    assert measured["megabytes"] < megabytes
    assert measured["share"] < 0.01
