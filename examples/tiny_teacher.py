"""The teacher of the examples: a small network for handwritten digits, trained in seconds.

python examples/tiny_teacher.py
"""

from pathlib import Path

import keras
from keras import layers

import dfkd_keras as dk

SIZE = 16  # pixels


def teacher_file(path: str = "teacher.keras", epochs: int = 15) -> str:
    """Trains the teacher unless its file exists, and returns the path. No distillation sees any of its images."""
    if Path(path).exists():
        return path
    train = dk.data.digits(SIZE).load("train")
    keras.utils.set_random_seed(0)
    teacher = keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ],
        name="tiny",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    teacher.compile(keras.optimizers.Adam(3e-3), loss)
    teacher.fit(train.unit_images, train.labels, batch_size=64, epochs=epochs, verbose=0)
    teacher.save(path)
    return path


def agreement(distiller: dk.DataFreeDistiller) -> float:
    """Returns on which part of the real test images student and teacher agree."""
    predicted = distiller.predict_classes(dk.data.digits(SIZE).load("test").unit_images)
    return float((predicted["teacher"] == predicted["student"]).mean())


if __name__ == "__main__":
    print(teacher_file())
