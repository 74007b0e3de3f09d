"""A synthesizer of your own: images that are drawn by a rule rather than learned.

python examples/custom_synthesizer.py
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from tiny_teacher import SIZE, agreement, teacher_file

import dfkd_keras as dk
from dfkd_keras.objectives.objective import NoObjective

ARCS = 3  # for each image


class Arcs(dk.synthesis.Synthesizer):
    """Draws arcs of random places, radii and widths: bright lines on a dark ground.

    A synthesizer that has something to learn sets `trains = True`, and implements `compile` and `update` too: see
    `dk.synthesis.GeneratorSynthesizer`.
    """

    trains = False
    latent_dim = 5 * ARCS  # the random numbers, standard normal, that an image is made of

    def __init__(self):
        super().__init__(NoObjective())

    def compile(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Keeps the optimizer, which has nothing to do."""
        self.optimizer_state.track(optimizer, [])

    def sample(self, latents: Any, teacher: dk.Teacher, training: bool = False) -> Any:
        """Returns images `[B, H, W, 1]` in [0, 1] for latents `[B, Z]`: a function of them alone."""
        height, width, _ = teacher.image_shape
        y, x, radius, thickness, cut = ops.split(ops.reshape(latents, (-1, ARCS, 5, 1, 1)), 5, axis=2)
        rows, columns = np.linspace(-1, 1, height, dtype="float32")[:, None], np.linspace(-1, 1, width, dtype="float32")
        down, right = rows - 0.3 * y, columns - 0.3 * x
        ring = ops.abs(ops.sqrt(down**2 + right**2 + 1e-6) - 0.5 * ops.abs(radius))
        ink = ops.sigmoid((0.1 + 0.05 * ops.abs(thickness) - ring) / 0.05)
        half = ops.sigmoid(
            (ops.cos(3 * cut) * down + ops.sin(3 * cut) * right + 0.2) / 0.05
        )  # an arc is part of a ring
        return ops.expand_dims(ops.max(ink * half, axis=(1, 2)), axis=-1)


def main(epochs: int = 10, steps_per_epoch: int = 60) -> dk.DataFreeDistiller:
    """Trains a student on new arcs in every step."""
    distiller = dk.DataFreeDistiller(
        dk.Teacher(keras.saving.load_model(teacher_file())),
        dk.models.compact_cnn((SIZE, SIZE, 1), num_classes=10, parameters=4000, multiplications=200_000),
        Arcs(),
        dk.losses.SoftTargets(temperature=4.0),
        dk.schedules.TwoStage(synthesis_epochs=0, student_epochs=epochs),
        batch_size=64,
    )
    distiller.compile(keras.optimizers.Adam(2e-3), synthesis_optimizer=keras.optimizers.SGD())
    distiller.fit(steps_per_epoch=steps_per_epoch, verbose=2)
    print(f"agreement with the teacher on real digits: {agreement(distiller):.1%}")
    return distiller


if __name__ == "__main__":
    main()
