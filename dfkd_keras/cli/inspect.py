"""Shows what a model offers as a teacher, and which methods work with it.

dfkd inspect --teacher=teacher.keras
dfkd inspect --gin_file=mine.gin
"""

from absl import flags

from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.experiment.method_needs import method_needs
from dfkd_keras.teacher.inspection import Inspection, inspect_teacher
from dfkd_keras.teacher.loading import load_teacher
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_string("teacher", None, "A teacher as for dfkd distill, such as model.h5; --gin_file's by default.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Prints inputs, outputs, features, and the methods that work with the teacher."""
    print(inspection().describe(method_needs() | {"baselines/procedural": frozenset()}))


def inspection() -> Inspection:
    """Returns the inspection of the teacher that the flags name.

    Raises:
        InvalidInputError: If the flags name no teacher.
    """
    if FLAGS.teacher:
        return inspect_teacher(load_teacher(FLAGS.teacher))
    if not FLAGS.gin_file:
        raise InvalidInputError("no teacher: give --teacher, or --gin_file for one that a configuration describes.")
    teacher = configured_experiment().teacher()
    return inspect_teacher(teacher.model, teacher.image_shape)
