"""Tells what a saved model offers as a teacher: `python scripts/inspect_teacher.py --teacher=teacher.keras`."""

from absl import flags
from commandline import main

from dfkd_keras.experiment.saved_models import saved_model
from dfkd_keras.inspection import inspect_teacher

FLAGS = flags.FLAGS
flags.DEFINE_string("teacher", None, "A .keras file, or the folder of a SavedModel.", required=True)


def inspect() -> None:
    """Prints inputs, outputs, features and the methods that the teacher is fit for."""
    print(inspect_teacher(saved_model(FLAGS.teacher)))


if __name__ == "__main__":
    main(inspect)
