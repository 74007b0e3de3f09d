"""The command `dfkd`. It is outside the package so that it runs before Keras and TensorFlow are imported.

`import dfkd_keras.cli` would import both first: `dfkd --help` would take seconds, and TensorFlow reads its log level
when it is imported.
"""

import contextlib
import importlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

COMMANDS = {
    "distill": "distill a student from a teacher's file and nothing else",
    "train": "distill a student as a gin configuration describes",
    "train-teacher": "train the teacher of a configuration and save it",
    "evaluate": "evaluate a student on the test images of a task",
    "compare": "run several methods with several seeds and compare them",
    "export": "export a student as SavedModel, LiteRT or ONNX, each checked against the student",
    "export-arrays": "write a task's teacher and test images for a machine without TensorFlow",
    "inspect": "show what a model offers as a teacher and which methods work with it",
    "invert": "synthesize one batch of images from a teacher, without a student",
    "benchmark": "measure the time of the updates of a configuration",
    "serve-client": "send images to a served student",
}
HELP = ("-h", "--help", "help")
CHATTER = re.compile(rb"WARNING: All log messages before absl|I\d{4} ")  # of TensorFlow, at any log level


def told_when_interrupted(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Says in one line that Ctrl-C ended the program, whatever it did; shows any other error as Python does."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    elif sys.stderr is not None:
        print("\nstopped by Ctrl-C; if this was a run, the same command resumes it.", file=sys.stderr)


def main(command: str | None = None) -> None:
    """Runs a subcommand of `dfkd` with the flags of the command line.

    Args:
        command: String. Name of the subcommand, such as "train". Defaults to the first argument of the command line.
    """
    if command is None:
        if len(sys.argv) < 2 or sys.argv[1] in HELP:
            print(overview())
            return
        command = sys.argv.pop(1)
    if command not in COMMANDS:
        sys.exit(f"error: {command!r} is not a command of dfkd: use one of {', '.join(COMMANDS)}.")
    sys.excepthook = told_when_interrupted
    asked = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3"  # a user who sets a level wants to see
    with contextlib.nullcontext() if asked else without_chatter():
        cli = importlib.import_module("dfkd_keras.cli.main")
    cli.main(command)


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Leaves out of the standard error what TensorFlow writes there when it is imported.

    Another process passes on all other lines, so that none is lost where an import ends this process.
    """
    if "tensorflow" in sys.modules or not hasattr(os, "fork") or sys.stderr is None:  # None: it is closed
        yield
        return
    stderr, (reader, writer) = os.dup(2), os.pipe()
    filtering = os.fork()
    if not filtering:
        _pass_on(reader, writer)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        _wait_for(filtering)  # until its lines are written, before those that follow


def _wait_for(process: int) -> None:
    """Waits for a child process, but not long: another one that it does not know of may keep it from its end."""
    deadline = time.monotonic() + 1.0
    with contextlib.suppress(ChildProcessError):  # of a parent that ignores its children
        while os.waitpid(process, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.002)


def _pass_on(reader: int, writer: int) -> None:
    """Writes all lines but TensorFlow's to the standard error, in a process of its own, which ends here."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(writer)
        with os.fdopen(reader, "rb") as lines:
            for line in lines:
                if not CHATTER.match(line):
                    with contextlib.suppress(OSError):
                        os.write(2, line)
    finally:
        os._exit(0)


def overview() -> str:
    """Returns the help of `dfkd` itself: a line for each subcommand."""
    lines = "\n".join(f"  {name:<15}{description}" for name, description in COMMANDS.items())
    return f"usage: dfkd COMMAND [--flag=value ...]\n\n{lines}\n\n`dfkd COMMAND --help` shows the flags of a command."


if __name__ == "__main__":
    main()
