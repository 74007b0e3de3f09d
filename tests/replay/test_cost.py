"""What a memory costs: bytes and seconds, in a process of its own."""

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
from dfkd_keras import gradient, models
from dfkd_keras.noise import Draws

BATCH, CAPACITY = 256, int(sys.argv[1])
rng = np.random.default_rng(0)
images = tf.constant(rng.random((BATCH, 32, 32, 3), dtype=np.float32))
labels = tf.constant(rng.integers(10, size=BATCH, dtype=np.int32))
logits = [tf.constant(rng.normal(size=(BATCH, 10)).astype("float32")) for _ in range(2)]
teacher, student = dk.Teacher(models.cifar_resnet(depth=8)), models.cifar_resnet(depth=8)
replay, optimizer = dk.ReplayBuffer(CAPACITY, dk.PrioritySampling()), keras.optimizers.SGD()
optimizer.build(student.trainable_variables)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

@tf.function
def write():
    replay.write(images, labels)

@tf.function
def draw(selection):
    batch = replay.sample(Draws(None, None, selection, None))
    replay.update(batch, *logits)
    return tf.reduce_sum(batch.images)

@tf.function
def train(selection):
    target = teacher(images).logits
    loss_fn = lambda: (tf.reduce_mean(dk.SoftTargets()(target, student(images, training=True))), ())
    return gradient.minimize(loss_fn, student.trainable_variables, optimizer)[0]

def seconds(function):
    times = []
    for _ in range(12):
        selection, start = tf.constant(rng.random(BATCH, dtype=np.float32)), time.perf_counter()
        function(selection).numpy()
        times.append(time.perf_counter() - start)
    return min(times)

before = peak()
replay.prepare(teacher, BATCH, rounds=1)
for _ in range(CAPACITY // BATCH + 2):
    write()
drawing = seconds(draw)
megabytes = peak() - before
print(json.dumps({"megabytes": megabytes, "share": drawing / seconds(train)}))
"""


@pytest.mark.parametrize(("capacity", "megabytes"), [(5_000, 32), (50_000, 200)])
def test_a_memory_takes_little_more_than_its_bytes_and_next_to_no_time(capacity, megabytes):
    pytest.importorskip("tensorflow")
    command = [sys.executable, "-c", MEASURE, str(capacity)]
    process = subprocess.run(
        command, cwd=ROOT, env=environment(KERAS_BACKEND="tensorflow"), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    measured = json.loads(process.stdout.splitlines()[-1])
    assert measured["megabytes"] < megabytes
    assert measured["share"] < 0.01
