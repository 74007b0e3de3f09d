"""Tells what a saved model, or the teacher of a configuration, offers:

python scripts/inspect_teacher.py --teacher=teacher.keras
python scripts/inspect_teacher.py --gin_file=mine.gin
"""

from absl import flags
from commandline import configured_experiment, configured_model, main

from dfkd_keras.experiment import configure
from dfkd_keras.teacher.inspection import Inspection, inspect_teacher

FLAGS = flags.FLAGS
flags.DEFINE_string("teacher", None, "A .keras file, or the folder of a SavedModel; --gin_file's teacher by default.")


def inspect() -> None:
    """Prints inputs, outputs, features and the methods that the teacher is fit for."""
    print(inspection())


def inspection() -> Inspection:
    """Returns what there is to tell of the teacher that the flags name."""
    if FLAGS.teacher:
        configure(FLAGS.gin_file, FLAGS.gin_param)
        return inspect_teacher(configured_model(FLAGS.teacher))
    if not FLAGS.gin_file:
        raise ValueError("no teacher: give --teacher, or --gin_file for one that a configuration describes.")
    teacher = configured_experiment().teacher()
    return inspect_teacher(teacher.model, teacher.image_shape)


if __name__ == "__main__":
    main(inspect)
