"""Times updates of pixel inversion beside the teacher's bare forward and backward pass, and prints JSON.

Run as `python -m tests.synthesis.pixel_cost IMAGES UPDATES TIMES`, on TensorFlow.
"""

import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import dfkd_keras as dk
from dfkd_keras import augmentation, models, objectives, synthesis
from dfkd_keras.backend import gradient
from dfkd_keras.schedules.noise import Draws
from dfkd_keras.synthesis.forward_batch import SynthesisContext


def draws(images):
    rng = np.random.default_rng(0)
    arrays = (
        rng.normal(size=(images, 3072)).astype("float32"),
        rng.integers(10, size=images, dtype=np.int32),
        rng.random(images, dtype=np.float32),
        rng.random((images, 8), dtype=np.float32),
    )
    return Draws(*map(tf.constant, arrays))


def inverting(model, priors, drawn, updates):
    """Returns a compiled call of so many updates on a cross-entropy and the terms of a prior."""
    normalization = dk.Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    teacher = dk.Teacher(keras.models.clone_model(model), normalization)
    objective = dk.objectives.WeightedSum([dk.objectives.TargetCrossEntropy(), *priors])
    inversion = synthesis.PixelInversion(objective, jitter=augmentation.RollFlip(2))
    inversion.prepare(teacher, len(drawn.labels))
    inversion.compile(keras.optimizers.Adam(0.05))
    inversion.begin_round(drawn, teacher)
    context = SynthesisContext(teacher, None)
    return tf.function(lambda: gradient.repeat(updates, lambda index: inversion.update(drawn, context, index)))


def passing(model, drawn, updates):
    """Returns a compiled call of so many passes, each of which moves the images by the gradient of a cross-entropy."""
    images = tf.Variable(tf.reshape(drawn.latents, (-1, 32, 32, 3)))

    def once(index):
        with tf.GradientTape() as tape:
            logits = model(images * 0.25 + 0.5, training=False)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(drawn.labels, logits))
        images.assign_sub(1e-3 * tape.gradient(loss, images))

    return tf.function(lambda: gradient.repeat(updates, once))


def main(images, updates, times):
    model, drawn = models.cifar_resnet(depth=20), draws(images)
    deep_inversion = [dk.objectives.BatchNormStatistics(), objectives.TotalVariation(), objectives.ImageNorm()]
    calls = {
        "bare": passing(keras.models.clone_model(model), drawn, updates),
        "cross_entropy": inverting(model, [], drawn, updates),
        "deep_inversion": inverting(model, deep_inversion, drawn, updates),
    }
    seconds = {name: [] for name in calls}
    for _ in range(1 + times):  # the first call compiles
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - start) / updates)
    print(json.dumps({name: float(np.median(measured[1:])) for name, measured in seconds.items()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
