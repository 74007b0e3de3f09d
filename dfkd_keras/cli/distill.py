"""Distills a student from a teacher's file and nothing else: `dfkd distill --teacher=model.h5`.

It prints what it found and decided, and trains for ten minutes. The same command resumes an interrupted run; the run's
folder has the configuration, with which `dfkd train` makes the same run.
"""

from typing import get_args

from absl import flags

from dfkd_keras.cli import configuration, teacher_file  # noqa: F401 - defines the flags that it shares
from dfkd_keras.experiment.distillation.distill import run_directory, run_request
from dfkd_keras.experiment.distillation.request import AUTO, Request
from dfkd_keras.images import ChannelOrder
from dfkd_keras.teacher.outputs import Outputs
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "teacher",
    None,
    "The teacher: a .keras, .h5, .onnx or .tflite file, a SavedModel's folder, an architecture as JSON (with "
    "--weights), a Python function as module:function, or the address of a served model.",
)
flags.DEFINE_string("student", None, "A network by name, slim:SHARE, a .keras file, or module:function; slim:0.25.")
flags.DEFINE_string("method", AUTO, "A method's gin file, or auto.")
flags.DEFINE_float("minutes", 10.0, "Training time.")
flags.DEFINE_string("images", None, "Folder of images to evaluate on, never to distill; labeled by subfolder or not.")
flags.DEFINE_string("labels", None, "CSV file with the columns file and label, for --images.")
flags.DEFINE_list("class_names", None, "Names of the classes, in the order of the outputs, or one file with them.")
flags.DEFINE_string("input_range", None, "Values of the images: 0..1, 0..255, -1..1, imagenet or caffe; found out.")
flags.DEFINE_enum("channel_order", None, get_args(ChannelOrder), "Order of the channels; rgb by default.")
flags.DEFINE_enum("outputs", None, get_args(Outputs), "What the teacher returns; found out.")
flags.DEFINE_string("run_dir", None, "Folder of the run; runs/distill-NAME-seedN by default.")
flags.DEFINE_boolean("resume", True, "Resume an interrupted run; --noresume starts over.")
flags.adopt_module_key_flags(teacher_file)
for shared in ("seed", "gin_param"):
    flags.declare_key_flag(shared)
OPTIONS = (
    "student", "method", "minutes", "images", "labels", "class_names", "input_range", "channel_order", "outputs",
    *teacher_file.OPTIONS,
)  # fmt: skip


def run() -> None:
    """Distills the teacher that the flags name."""
    if not FLAGS.teacher:
        raise InvalidInputError("no teacher: give --teacher, for instance --teacher=model.h5.")
    if FLAGS.gin_file:
        raise InvalidInputError(f"--gin_file={FLAGS.gin_file[0]} is for dfkd train: name a method by --method.")
    options = {name: FLAGS[name].value for name in OPTIONS}
    options |= {"image_shape": teacher_file.image_shape(), "seed": FLAGS.seed or 0, "bindings": FLAGS.gin_param}
    request = Request(FLAGS.teacher, **options)
    run_request(request, run_directory(request, FLAGS.run_dir), FLAGS.resume, print)
