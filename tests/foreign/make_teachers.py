"""Trains teachers of many families on real images: `python -m tests.foreign.make_teachers --out_dir=FOLDER`.

The folder then holds what `dfkd compare --suite=foreign --teachers=FOLDER` reads. Teachers that are there are kept. All
of them take about a quarter of an hour of a CPU. TFDS_DATA_DIR and DFKD_TEACHERS say where the real images are;
teachers whose images are absent are named and skipped.
"""

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dfkd_keras.experiment.suites.teachers import MANIFEST, real_images
from dfkd_keras.images import InputConvention, to_unit
from dfkd_keras.utils.errors import NotFoundError
from dfkd_keras.utils.files import atomic_write
from tests.foreign import architectures

BATCH_SIZE = 64
SIGNS = "$DFKD_TEACHERS/foreign/sign_digits_50.npz"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A teacher and its training.

    Attributes:
        body: Callable. From the input to what the last layer takes, both Keras tensors.
        images: String. The real images, as in the manifest.
        shape: Tuple of three integers. Height, width and channels of an image.
        input_range: String, as in `InputConvention`.
        activation: String. That of the last layer, which has one unit for "sigmoid".
        epochs: Integer. Passes over the images.
        channel_order: String. Defaults to "rgb".
        flat: Boolean. Whether it takes an image as a vector. Defaults to False.
        flip: Boolean. Whether to flip the images in training. Defaults to False.
        classes: Tuple of integers. The class of each label, by default itself.
        train_images: Integer. The first of the training split are enough.
        learning_rate: Float. That of Adam, which decays along a cosine.
    """

    body: Callable
    images: str
    shape: tuple[int, int, int]
    input_range: str
    activation: str
    epochs: int
    channel_order: str = "rgb"
    flat: bool = False
    flip: bool = False
    classes: tuple[int, ...] | None = None
    train_images: int = 20_000
    learning_rate: float = 2e-3

    @property
    def convention(self):
        shape = (math.prod(self.shape),) if self.flat else None
        return InputConvention(self.input_range, self.channel_order, shape=shape)

    def load(self, split):
        images, labels = real_images(self.images, self.shape, split)
        return images, labels if self.classes is None else np.take(self.classes, labels)

    @property
    def loss(self):
        if self.activation == "sigmoid":
            return "binary_crossentropy"
        return keras.losses.SparseCategoricalCrossentropy(from_logits=self.activation == "linear")

    def described(self, name):
        fields = {"file": f"{name}.keras", "images": self.images, "input_range": self.input_range}
        return fields | {"channel_order": self.channel_order, "classes": self.classes}

    def build(self, name):
        inputs = keras.Input(self.convention.shape or self.shape)
        last = layers.Dense(1 if self.activation == "sigmoid" else 10, self.activation)
        return keras.Model(inputs, last(self.body(inputs)), name=name)


MNIST, CIFAR = "tfds:mnist", "tfds:cifar10"
ODD = tuple(digit % 2 for digit in range(10))
RECIPES = {
    "mnist20_separable": Recipe(architectures.separable, MNIST, (20, 20, 1), "-1..1", "linear", 8),
    "mnist24_dense": Recipe(architectures.dense, MNIST, (24, 24, 1), "0..1", "softmax", 6, flat=True),
    "mnist28_transformer": Recipe(architectures.vision_transformer, MNIST, (28, 28, 1), "0..1", "softmax", 8),
    "mnist28_odd": Recipe(architectures.leaky, MNIST, (28, 28, 1), "-1..1", "sigmoid", 5, classes=ODD),
    "digits24_residual": Recipe(architectures.residual, "digits", (24, 24, 1), "0..255", "softmax", 20),
    "digits20_batchnorm": Recipe(architectures.batch_norm, "digits", (20, 20, 1), "0..1", "linear", 12),
    "sign64_groupnorm": Recipe(
        architectures.group_norm, SIGNS, (64, 64, 3), "imagenet", "linear", 35, learning_rate=4e-3
    ),
    "sign96_tanh": Recipe(architectures.tanh, SIGNS, (96, 96, 3), "-1..1", "softmax", 20),
    "cifar24_batchnorm": Recipe(architectures.batch_norm, CIFAR, (24, 24, 3), "0..255", "linear", 4, flip=True),
    "cifar32_depthwise": Recipe(
        architectures.depthwise_batch_norm, CIFAR, (32, 32, 3), "-1..1", "softmax", 4, channel_order="bgr", flip=True
    ),
    "sign64_xception": Recipe(architectures.xception, SIGNS, (64, 64, 3), "-1..1", "softmax", 25),
    "mnist28_preactivation": Recipe(architectures.preactivation, MNIST, (28, 28, 1), "0..1", "linear", 2),
    "cifar32_residual": Recipe(
        architectures.residual_batch_norm, CIFAR, (32, 32, 3), "imagenet", "linear", 5, flip=True
    ),
    "cifar48_layernorm": Recipe(architectures.layer_norm, CIFAR, (48, 48, 3), "imagenet", "linear", 6, flip=True),
}


def path(folder, name):
    return folder / f"{name}.keras"


def make(name, recipe, folder):
    """Trains a teacher, saves it, and returns its accuracy on the real test images."""
    keras.utils.set_random_seed(0)
    teacher = recipe.build(name)
    images, labels = recipe.load("train")
    images, labels = images[: recipe.train_images], labels[: recipe.train_images]
    inputs = keras.Input(recipe.shape, dtype="uint8")
    unit = layers.RandomFlip("horizontal")(to_unit(inputs)) if recipe.flip else to_unit(inputs)
    training = keras.Model(inputs, teacher(recipe.convention.from_unit(unit)))
    steps = recipe.epochs * math.ceil(len(images) / BATCH_SIZE)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps))
    training.compile(optimizer, recipe.loss)
    training.fit(images, labels, batch_size=BATCH_SIZE, epochs=recipe.epochs, verbose=0)
    with atomic_write(path(folder, name)) as aside:
        teacher.save(aside)
    return accuracy(teacher, recipe)


def accuracy(teacher, recipe):
    images, labels = recipe.load("test")
    outputs = teacher.predict(recipe.convention.from_unit(to_unit(images)), verbose=0)
    return np.mean((outputs[:, 0] > 0.5 if outputs.shape[-1] == 1 else np.argmax(outputs, axis=-1)) == labels)


def write_manifest(folder):
    """Describes the teachers that are there."""
    described = {name: recipe.described(name) for name, recipe in RECIPES.items() if path(folder, name).exists()}
    with atomic_write(folder / MANIFEST) as aside:
        aside.write_text(json.dumps(described, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out_dir", type=Path, required=True)
    folder = parser.parse_args().out_dir
    tf.config.experimental.enable_op_determinism()
    for name, recipe in RECIPES.items():
        if path(folder, name).exists():
            continue
        started = time.process_time()
        try:
            reached = make(name, recipe, folder)
        except NotFoundError as error:
            print(f"{name}: skipped, {error}")
            continue
        write_manifest(folder)
        spent = time.process_time() - started
        print(f"{name}: {reached:.2%} of the real test images, {spent:.0f} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
