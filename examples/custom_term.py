"""A term of your own: what you know of the teacher's images, told to a generator.

    python examples/custom_term.py

Digits are bright strokes on a dark ground. A data-free method cannot know that, but you may.
"""

import dataclasses
from typing import Any

import keras
from keras import ops
from tiny_teacher import SIZE, agreement, teacher_file

import dfkd_keras as dk


@dataclasses.dataclass(frozen=True)
class Darkness(dk.objectives.Term):
    """The mean of an image should be that of the data, L(x) = (mean(x) - target)^2.

    Args:
        target: Float. The mean of the data, from 0 to 1. Defaults to 0.3.
    """

    target: float = 0.3

    # A term that reads more than the images and the teacher's logits says so here: {"student"}, {"features"}, ...
    needs = frozenset()

    def __call__(self, batch: dk.objectives.SyntheticBatch) -> Any:
        """Returns a value for each image, `[B]`; lower is better."""
        return (ops.mean(batch.images, axis=(1, 2, 3)) - self.target) ** 2


def main(synthesis_epochs: int = 3, student_epochs: int = 10, steps_per_epoch: int = 60) -> dk.DataFreeDistiller:
    """Trains a generator with the term, then a student on its images."""
    teacher = dk.Teacher(keras.saving.load_model(teacher_file()))
    objective = dk.objectives.WeightedSum(
        [dk.objectives.OneHotCrossEntropy(), dk.objectives.ClassEntropy(), Darkness()], weights=[1.0, 5.0, 20.0]
    )
    generator = dk.models.sigmoid_generator(latent_dim=32, image_shape=(SIZE, SIZE, 1))
    distiller = dk.DataFreeDistiller(
        teacher,
        dk.models.compact_cnn((SIZE, SIZE, 1), num_classes=10, parameters=4000, multiplications=200_000),
        dk.synthesis.GeneratorSynthesizer(generator, objective, output_space="unit"),
        dk.losses.SoftTargets(temperature=4.0),
        dk.schedules.TwoStage(synthesis_epochs, student_epochs),
        batch_size=64,
    )
    distiller.compile(keras.optimizers.Adam(2e-3), synthesis_optimizer=keras.optimizers.Adam(1e-3))
    distiller.fit(steps_per_epoch=steps_per_epoch, verbose=2)  # each term is logged under its name: darkness
    print(f"agreement with the teacher on real digits: {agreement(distiller):.1%}")
    return distiller


if __name__ == "__main__":
    main()
