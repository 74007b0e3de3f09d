"""Shows what a model offers as a teacher, and which methods work with it; or the model card of a student.

dfkd inspect --teacher=teacher.keras
dfkd inspect --gin_file=mine.gin
dfkd inspect --run_dir=runs/distill-model-seed0
dfkd inspect --student=export/student.keras
"""

from pathlib import Path

from absl import flags

from dfkd_keras.cli import configuration, teacher_file
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.experiment.distillation.findings import teacher_of
from dfkd_keras.experiment.distillation.request import Request
from dfkd_keras.experiment.method_needs import method_needs
from dfkd_keras.experiment.reporting.model_card import card_in
from dfkd_keras.teacher.inspection import Inspection, inspect_teacher
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_string("teacher", None, "A teacher as for dfkd distill, such as model.h5; --gin_file's by default.")
flags.DEFINE_string("run_dir", None, "Folder of a run, whose model card is shown.")
flags.DEFINE_string("student", None, "A student of a run, whose model card is shown, or the card's folder.")
flags.adopt_module_key_flags(configuration)
flags.adopt_module_key_flags(teacher_file)


def run() -> None:
    """Prints inputs, outputs, features, and the methods that work with the teacher; or the card of the student.

    Raises:
        InvalidInputError: If the flags name several models, or none.
    """
    named = [name for name in ("teacher", "gin_file", "run_dir", "student") if FLAGS[name].value]
    if len(named) > 1:
        raise InvalidInputError(f"--{' and --'.join(named)} name different models: give one of them.")
    if student := FLAGS.run_dir or FLAGS.student:
        print(card_in(Path(student)))
    else:
        print(inspection().describe(method_needs() | {"baselines/procedural": frozenset()}))


def inspection() -> Inspection:
    """Returns the inspection of the teacher that the flags name."""
    if FLAGS.teacher:
        return given_inspection()
    if not FLAGS.gin_file:
        raise InvalidInputError(
            "nothing to inspect: give --teacher, or --gin_file for one that a configuration describes, or --run_dir."
        )
    teacher = configured_experiment().teacher()
    return inspect_teacher(teacher.model, teacher.image_shape)


def given_inspection() -> Inspection:
    """Returns the inspection of the teacher in `--teacher`, which is read as `dfkd distill` reads it."""
    options = {name: FLAGS[name].value for name in teacher_file.OPTIONS}
    request = Request(FLAGS.teacher, image_shape=teacher_file.image_shape(), **options)
    return inspect_teacher(teacher_of(request), request.image_shape)
