"""Runs scripts in forks of a process that has imported what they import, which takes longer than most of them.

`python -m tests.prepared MODULE...` imports modules, then reads calls from its input, a line of JSON each, and answers
with exit codes.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# No module of dfkd_keras.cli that has flags: a script has only those of its own command.
IMPORTED = (
    "dfkd_keras.cli.main",
    "dfkd_keras.experiment",
    "dfkd_keras.export",
    "matplotlib.figure",
    "sklearn.datasets",
)


class Prepared:
    """The process, started by the first call, and again after one that came to no end or in another environment."""

    def __init__(self, imported=IMPORTED):
        self.process, self.env, self.imported = None, None, imported
        atexit.register(self.stop)

    def run(self, command, cwd, env, timeout, **variables):
        """Runs a script to its end, as `subprocess.run` does with the command and captured text.

        Further environment variables are set after the imports.
        """
        if env != self.env:
            self.stop()
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            call = {"arguments": command[1:], "cwd": str(cwd), "out": str(out), "err": str(err), "env": variables}
            code = self._answer(call, env, timeout)
            if code is None:
                self.stop()
                raise subprocess.TimeoutExpired(command, timeout, out.read_text(), err.read_text())
            return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())

    def stop(self):
        """Ends the process and, since it leads a group, the script that it runs."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            self.process = None

    def _answer(self, call, env, timeout):
        if self.process is None:
            arguments = [sys.executable, "-m", "tests.prepared", *self.imported]
            pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
            self.process = subprocess.Popen(arguments, cwd=ROOT, env=env, start_new_session=True, text=True, **pipes)
            self.env = env
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        in_time = select.select([self.process.stdout], [], [], timeout)[0]
        answer = self.process.stdout.readline() if in_time else ""
        return int(answer) if answer else None


def become(call):
    """Makes this process, a fork, the script."""
    os.chdir(call["cwd"])
    os.environ.update(call["env"])
    for stream, path, mode in ((0, os.devnull, "r"), (1, call["out"], "w"), (2, call["err"], "w")):
        with open(path, mode) as file:
            os.dup2(file.fileno(), stream)
    sys.argv = call["arguments"]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main(*modules):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for module in modules:
        importlib.import_module(module)
    for line in sys.stdin:
        if not (fork := os.fork()):
            return become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
