"""Runs one subcommand: imports its module, which defines its flags, parses them, and reports errors."""

import functools
import importlib
import logging as python_logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType

from absl import app, flags, logging

from dfkd_keras.experiment.training.preemption import Preempted
from dfkd_keras.utils import checks
from dfkd_keras.utils.errors import DFKDError, InvalidInputError

HELP = {"-h", "--help", "--helpshort"}
BUG = (
    "This is a bug in dfkd_keras, or in code of your own if the traceback ends there. Please report it as an issue in "
    "the project's repository, with the command and the traceback."
)


def main(command: str) -> None:
    """Runs a subcommand with the flags of the command line.

    Args:
        command: String. Name of the subcommand, a key of `dfkd_command.COMMANDS`. Only its module is imported.
    """
    sys.path.append(os.getcwd())  # gin files may import modules of the working folder
    sys.argv[1:] = map(in_home, sys.argv[1:])
    module = importlib.import_module(f"dfkd_keras.cli.{command.replace('-', '_')}")
    if HELP.intersection(sys.argv[1:]):
        print(help_text(module))
        return
    app.run(functools.partial(run, module.run))


def in_home(argument: str) -> str:
    """Returns an argument such as `--run_dir=~/run` with the home folder, since shells leave a ~ after = as it is."""
    flag, equals, value = argument.partition("=")
    return flag + equals + os.path.expanduser(value) if flag.startswith("-") else argument


def help_text(module: ModuleType) -> str:
    """Returns the help of a subcommand: its docstring and its flags, those that it shares included."""
    return f"{module.__doc__}{flags.FLAGS.module_help(module.__name__)}"


def run(job: Callable[[], None], arguments: Sequence[str]) -> None:
    """Runs a job after the flags are parsed.

    The package's own errors are shown in one line, with exit code 1. The traceback of any other error is shown, and
    where to report it.

    Args:
        job: Callable. The subcommand's `run`.
        arguments: List of strings. The program and what is left of the command line; there are no positional arguments.
    """
    verbose = flags.FLAGS["verbosity"].present
    if not verbose:
        logging.set_verbosity(logging.ERROR)
    show_messages()
    try:
        if len(arguments) > 1:
            raise InvalidInputError(f"argument {arguments[1]!r} is not understood: options start with --; see --help.")
        job()
    except Preempted as stopped:
        print(stopped, file=sys.stderr)
    except DFKDError as error:
        if verbose and flags.FLAGS.verbosity > logging.INFO:
            traceback.print_exc()
        sys.exit(f"error: {single_line(error)}")
    except BrokenPipeError:  # of a reader such as `| head`; what Python still flushes at its end must go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(BUG)
    finally:
        # All state is saved: a late signal must not change the exit code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def single_line(error: Exception) -> str:
    """Returns an error's message without what gin appends to it about the configurable that raised it."""
    return re.sub(r"\s*In call to configurable .*", "", checks.single_line(error))


def show_messages() -> None:
    """Prints the package's log messages as plain lines, and those of no other package."""
    handler = python_logging.StreamHandler()
    handler.setFormatter(python_logging.Formatter("%(message)s"))
    logger = python_logging.getLogger("dfkd_keras")
    logger.setLevel(python_logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
