"""Trains a task's teacher: `dfkd train-teacher --gin_file=rdskd.gin --output=teacher.keras`.

A teacher that was trained before is taken from the cache.
"""

from pathlib import Path

from absl import flags

from dfkd_keras import metrics
from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write, temporary_path, translate_write_errors

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "File to save the teacher to, in addition to the cache.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Prints the teacher's accuracy on the task's test images, and saves it where the flags say."""
    experiment = configured_experiment()
    check_output()
    experiment.task.require_data("dfkd train-teacher")
    teacher, test = experiment.teacher(), experiment.task.test_split()
    scores = metrics.scores(teacher.predict_classes(test.unit_images), test.labels, teacher.num_classes)
    shown = (f"{metrics.METRICS[name]} {value:.2%}" for name, value in scores.items())
    print(f"teacher: {', '.join(shown)} on real test images")
    if FLAGS.output:
        with translate_write_errors(FLAGS.output), atomic_write(FLAGS.output) as aside:
            teacher.model.save(aside)
        print(f"saved as {FLAGS.output}")


def check_output() -> None:
    """Checks, before the teacher is trained, that it can be saved where the flags say.

    Raises:
        InvalidInputError: If Keras would not save a model under that name, or it is a folder.
        StorageError: If the file cannot be written.
    """
    if not FLAGS.output:
        return
    if Path(FLAGS.output).suffix not in (".keras", ".h5") or Path(FLAGS.output).is_dir():
        raise InvalidInputError(f"--output={FLAGS.output!r} must be a file that ends in .keras or .h5: rename it.")
    with translate_write_errors(FLAGS.output), temporary_path(FLAGS.output) as aside:
        aside.touch()
