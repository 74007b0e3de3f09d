"""The flags of subcommands that read a teacher's file."""

from absl import flags

from dfkd_keras.cli import allow_code
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Name or number of the output, for a teacher of several.")
flags.DEFINE_list("image_shape", None, "Height, width and channels, for a teacher that does not know them.")
flags.DEFINE_string("weights", None, "File of the weights, for a teacher that is an architecture as JSON.")
flags.DEFINE_string("custom_objects", None, "Python module with the classes and functions that the file names.")
flags.adopt_module_key_flags(allow_code)
OPTIONS = ("output", "weights", "custom_objects", "allow_code")  # those that a `Request` takes as they are


def image_shape() -> tuple[int, ...] | None:
    """Returns the shape that `--image_shape` says.

    Raises:
        InvalidInputError: If it is not of whole numbers.
    """
    if FLAGS.image_shape is None:
        return None
    if not all(map(str.isdecimal, FLAGS.image_shape)):
        raise InvalidInputError(f"--image_shape={','.join(FLAGS.image_shape)} must be height,width,channels: 32,32,3.")
    return tuple(map(int, FLAGS.image_shape))
