"""The flags that describe an experiment, shared by the subcommands that take one."""

from collections.abc import Sequence
from pathlib import Path

import gin
import keras
from absl import flags

from dfkd_keras.experiment import Experiment, configure
from dfkd_keras.experiment.gin_errors import translate_gin_errors
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("gin_file", [], "Gin file: a path, or a name in gin_configs/. May be repeated.")
flags.DEFINE_multi_string("gin_param", [], "Gin binding, applied after the files. May be repeated.")
flags.DEFINE_integer("seed", None, "Seed of initial weights and noise; the configuration's by default.")


def configured_experiment(bindings: Sequence[str] = ()) -> Experiment:
    """Returns the experiment that the flags describe.

    Args:
        bindings: List of strings. Gin bindings of the command itself, which are applied after those of the flags.
            Defaults to none.

    Returns:
        The experiment.

    Raises:
        InvalidInputError: If there is no gin file, or the configuration cannot be read or lacks a method.
        NotFoundError: If a gin file does not exist.
    """
    if not FLAGS.gin_file:
        raise InvalidInputError("no configuration: give --gin_file, for instance --gin_file=rdskd.gin.")
    seed = [] if FLAGS.seed is None else [f"Experiment.seed = {FLAGS.seed}"]
    configure(FLAGS.gin_file, [*FLAGS.gin_param, *seed])
    with gin.unlock_config():
        gin.parse_config(list(bindings))  # not the user's, so that they may be without effect
    with translate_gin_errors():
        return gin.get_configurable("Experiment")()


def configured_model(path: Path | str) -> keras.Model:
    """Returns the network in a file.

    Args:
        path: String or path. A file or folder that `saved_model` reads. The configuration says whether code inside it
            is run (`saved_model.safe_mode`).
    """
    return gin.get_configurable("saved_model")(path)
