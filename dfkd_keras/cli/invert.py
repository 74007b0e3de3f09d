"""Synthesizes one batch of images from a teacher, without a student.

dfkd invert --gin_file=deepinversion.gin --images=256 --out_dir=runs/inverted

For methods that make all their images first. The last line of the output is JSON.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from dfkd_keras import metrics
from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment, configured_model
from dfkd_keras.data import Split
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.gin_bindings import check_given
from dfkd_keras.experiment.reporting.plots import save_class_grid
from dfkd_keras.schedules.rounds import RoundsFirst
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write, temporary_path, translate_write_errors

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 256, "Number of images, which are optimized together.")
flags.DEFINE_string("out_dir", "runs/inverted", "Folder for images.npz and images.png.")
flags.DEFINE_multi_string("judge", [], "A .keras model of the same inputs that classifies the images. May be repeated.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Synthesizes the images, saves them, and prints the share of them that each model classifies as intended."""
    experiment = configured_experiment(
        [f"batch_size = {FLAGS.images}", "RoundsFirst.synthesis_epochs = 1", "RoundsFirst.rounds_per_epoch = 1"]
    )
    folder = Path(FLAGS.out_dir)
    with translate_write_errors(folder), temporary_path(folder / "images.npz") as aside:
        aside.touch()  # before the images are made for nothing
    made, names, results = inverted(experiment)
    with translate_write_errors(folder):
        with atomic_write(folder / "images.npz") as aside, open(aside, "wb") as file:
            np.savez_compressed(file, images=made.images, targets=made.labels)
        with atomic_write(folder / "images.png") as aside:
            save_class_grid(aside, made.unit_images, made.labels, names)
    print(json.dumps({"images": len(made.images), **results}))


def inverted(experiment: Experiment) -> tuple[Split, tuple[str, ...], dict[str, float]]:
    """Synthesizes the images and has them classified.

    Args:
        experiment: Experiment. A method that makes all its images first, with one round of synthesis.

    Returns:
        The images with their target classes, the names of the classes, and the share of the images that each model
        classifies as intended, by its name.

    Raises:
        InvalidInputError: If the method makes images while the student is trained, the teacher is a segmenter, or a
            given gin binding has no effect.
    """
    judges = {path: configured_model(path) for path in FLAGS.judge}
    distiller = experiment.build()
    if not isinstance(distiller.schedule, RoundsFirst):
        raise InvalidInputError(
            f"{experiment.method} does not make all its images first: use a method like deepinversion.gin."
        )
    if distiller.teacher.is_segmenter:
        raise InvalidInputError(
            f"the teacher of {experiment.task.name} predicts a class for each pixel: name a classifier's task."
        )
    check_given()
    distiller.fit(epochs=1, verbose=0)
    made = Split(*(np.asarray(part.value) for part in (distiller.replay.images, distiller.synthesizer.labels)))
    models = {"teacher": distiller.teacher.model, **judges}
    predicted = {name: distiller.teacher.predict_classes(made.unit_images, model) for name, model in models.items()}
    shares = {name: metrics.agreement(classes, made.labels) for name, classes in predicted.items()}
    return made, experiment.task.names_of_classes(distiller.teacher), shares
