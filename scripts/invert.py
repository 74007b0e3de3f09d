"""Inverts a teacher to one batch of images, without a student:

python scripts/invert.py --gin_file=deepinversion.gin --images=256 --out_dir=runs/inverted

For methods that make all their images first. The last line of the output is JSON.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags
from commandline import configured_experiment, configured_model, main

from dfkd_keras import metrics
from dfkd_keras.data import Split
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.reporting.plots import save_class_grid
from dfkd_keras.schedules.rounds import RoundsFirst
from dfkd_keras.utils.files import atomic_write

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 256, "How many images, which are optimized together.")
flags.DEFINE_string("out_dir", "runs/inverted", "Folder for images.npz and images.png.")
flags.DEFINE_multi_string("judge", [], "A .keras model of the same inputs that is asked too. May be repeated.")


def invert() -> None:
    """Makes the images, saves them, and prints how many are what they were meant to be."""
    experiment = configured_experiment(
        [f"batch_size = {FLAGS.images}", "inversion_epochs = 1", "inversion_rounds_per_epoch = 1"]
    )
    made, results = inverted(experiment)
    folder = Path(FLAGS.out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "images.npz") as aside, open(aside, "wb") as file:
        np.savez_compressed(file, images=made.images, targets=made.labels)
    with atomic_write(folder / "images.png") as aside:
        save_class_grid(aside, made.unit_images, made.labels, experiment.task.data.class_names)
    print(json.dumps({"images": len(made.images), **results}))


def inverted(experiment: Experiment) -> tuple[Split, dict[str, float]]:
    """Returns images with the classes they are meant to be of, and the share of them that each model agrees on."""
    judges = {path: configured_model(path) for path in FLAGS.judge}
    distiller = experiment.build()
    if not isinstance(distiller.schedule, RoundsFirst):
        raise ValueError(
            f"{experiment.method} does not make all its images first: use a method like deepinversion.gin."
        )
    if distiller.teacher.is_segmenter:
        raise ValueError(f"the teacher of {experiment.task.name} sees a class in each pixel: name a classifier's task.")
    distiller.fit(epochs=1, verbose=0)
    made = Split(*(np.asarray(part.value) for part in (distiller.replay.images, distiller.synthesizer.labels)))
    models = {"teacher": distiller.teacher.model, **judges}
    seen = {name: distiller.teacher.predict_classes(made.unit_images, model) for name, model in models.items()}
    return made, {name: metrics.agreement(classes, made.labels) for name, classes in seen.items()}


if __name__ == "__main__":
    main(invert)
