"""What the scripts share: the flags of a configuration, and errors in one line."""

import logging as python_logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gin
import keras
from absl import app, flags, logging

from dfkd_keras.experiment import Experiment, configure
from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils import checks

sys.path.append(os.getcwd())  # gin files may import modules of the working folder

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("gin_file", [], "A gin file: a path, or a name in gin_configs/. May be repeated.")
flags.DEFINE_multi_string("gin_param", [], "A gin binding, applied after the files. May be repeated.")
flags.DEFINE_integer("seed", None, "Seed of initial weights and noise; the configuration's by default.")

EXPECTED = (ValueError, TypeError, OSError, FloatingPointError, ModuleNotFoundError)


def configured_experiment(bindings: Sequence[str] = ()) -> Experiment:
    """Returns the experiment that the flags describe, and further bindings."""
    if not FLAGS.gin_file:
        raise ValueError("no configuration: give --gin_file, for instance --gin_file=rdskd.gin.")
    seed = [] if FLAGS.seed is None else [f"Experiment.seed = {FLAGS.seed}"]
    configure(FLAGS.gin_file, [*FLAGS.gin_param, *seed, *bindings])
    try:
        return gin.get_configurable("Experiment")()
    except TypeError as error:
        raise ValueError(
            f"the configuration is incomplete ({single_line(error)}): give a method's file such as "
            "--gin_file=rdskd.gin first."
        ) from error


def configured_model(path: Path | str) -> keras.Model:
    """Loads a network from a file; the configuration says whether code in it is admitted (`saved_model.safe_mode`)."""
    return gin.get_configurable("saved_model")(path)


def single_line(error: Exception) -> str:
    """Returns an error's message without what gin adds on where it was raised."""
    return re.sub(r"\s*In call to configurable .*", "", checks.single_line(error))


def show_progress() -> None:
    """Prints the package's own messages plainly, and nobody else's."""
    handler = python_logging.StreamHandler()
    handler.setFormatter(python_logging.Formatter("%(message)s"))
    logger = python_logging.getLogger("dfkd_keras")
    logger.setLevel(python_logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False


def main(job: Callable[[], None]) -> None:
    """Runs a job under absl; an expected error is told in one line, with exit code 1."""

    def guarded(arguments: Sequence[str]) -> None:
        if not FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)
        show_progress()
        try:
            if len(arguments) > 1:
                raise ValueError(f"argument {arguments[1]!r} is not understood: options start with --; see --help.")
            job()
        except Preempted as stopped:
            print(stopped, file=sys.stderr)
        except EXPECTED as error:
            if FLAGS.verbosity > logging.INFO:
                raise
            print(f"error: {single_line(error)}", file=sys.stderr)
            sys.exit(1)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all is saved: the exit code tells what came of it

    app.run(guarded)
