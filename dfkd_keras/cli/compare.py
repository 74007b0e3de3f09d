"""Runs several methods with several seeds on one task and compares them.

dfkd compare --gin_file=ssdkd.gin --gin_file=fast_meta.gin --task=tasks/mnist_resnet8_lenet5half.gin

Every run is a process of its own. Complete runs are not repeated, interrupted ones are resumed.
"""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

import dfkd_keras
from dfkd_keras.cli import configuration
from dfkd_keras.experiment.reporting.comparison import Run, write_comparison
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.files import translate_write_errors

LAUNCHER = Path(dfkd_keras.__file__).parent.parent / "dfkd_command.py"
FLAGS = flags.FLAGS
flags.DEFINE_multi_string("task", [], "A gin file given to every run after the method's. May be repeated.")
flags.DEFINE_list("seeds", ["0"], "The seeds, such as 0,1,2.")
flags.DEFINE_string("out_dir", "runs/comparison", "Folder of the runs, the table and the plot.")
flags.DEFINE_string(
    "reference",
    None,
    "Method whose final accuracy is the goal of the column of times, named as its row; the first by default.",
)
flags.DEFINE_float("max_minutes", None, "End the training of every run after so many minutes of training.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Makes the runs that are missing, and writes the table and the plot after each."""
    rows = [row_name(method) for method in FLAGS.gin_file]
    check_flags(rows)
    folder = Path(FLAGS.out_dir)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Preemption():
        compare(folder, rows)


def check_flags(rows: Sequence[str]) -> None:
    """Raises InvalidInputError if the flags do not describe a comparison of these rows."""
    if not FLAGS.gin_file:
        raise InvalidInputError("nothing to compare: give --gin_file for every method, such as --gin_file=ssdkd.gin.")
    if FLAGS.seed is not None:
        raise InvalidInputError("--seed is for one run: give --seeds=0,1 here.")
    if not all(seed.isdigit() for seed in FLAGS.seeds) or len(set(map(int, FLAGS.seeds))) < len(FLAGS.seeds):
        raise InvalidInputError(f"--seeds={','.join(FLAGS.seeds)} must be different whole numbers such as 0,1,2.")
    if twice := {row for row in rows if rows.count(row) > 1}:
        raise InvalidInputError(
            f"--gin_file: two of them make the row {twice.pop()!r}: give each once, or rename one of the two."
        )
    if FLAGS.reference not in (None, *rows):
        raise InvalidInputError(
            f"--reference={FLAGS.reference} is not a row of this comparison: use one of {', '.join(rows)}."
        )


def compare(folder: Path, rows: Sequence[str]) -> None:
    """Makes the runs, prints the table, and reports the runs that failed.

    Args:
        folder: Path. Folder of the runs, the table and the plot.
        rows: List of strings. The name of each method's row, in the order of `--gin_file`.

    Raises:
        DFKDError: If a run failed. The others are compared nevertheless.
    """
    finished, failed, table = [], [], ""
    for seed, (row, method) in itertools.product(map(int, FLAGS.seeds), zip(rows, FLAGS.gin_file, strict=True)):
        path = folder / f"{row}-seed{seed}"
        print(f"{path.name} ...", flush=True)
        if train(method, seed, path):
            finished.append(Run.read(path))
        else:
            failed.append(path.name)
        known = any(run.results["method"] == FLAGS.reference for run in finished)
        with translate_write_errors(folder):
            table = write_comparison(folder, finished, FLAGS.reference if known else None)
    print(f"{table}see {folder}/comparison.md, .csv and .png")
    if failed:
        raise DFKDError(f"these runs failed, see their logs in {folder}: {', '.join(failed)}.")


def row_name(method: str) -> str:
    """Returns the name of a gin file's row, with which the names of its folders begin."""
    return method.removesuffix(".gin").strip("./").replace("/", "-")


def train(method: str, seed: int, path: Path) -> bool:
    """Makes one run in a process of its own, its output in a log beside the run; returns whether it succeeded."""
    with contextlib.ExitStack() as opened:
        with translate_write_errors(path):
            log = opened.enter_context(open(path.with_name(path.name + ".log"), "a"))
        process = opened.enter_context(
            subprocess.Popen(command(method, seed, path), stdout=log, stderr=subprocess.STDOUT)
        )
        try:
            process.wait()
        except Preempted:
            process.terminate()  # it saves, which is waited for
            raise
    complete = (path / "results.json").exists()
    if process.returncode == 0 and not complete:
        raise Preempted(f"{path.name} was stopped by SIGTERM: the same command resumes it.")
    return process.returncode == 0 and complete


def command(method: str, seed: int, path: Path) -> list[str]:
    """Returns the `dfkd train` command of one run."""
    files = [f"--gin_file={name}" for name in (method, *FLAGS.task)]
    params = [f"--gin_param={binding}" for binding in FLAGS.gin_param]
    limit = [] if FLAGS.max_minutes is None else [f"--max_minutes={FLAGS.max_minutes}"]
    options = [*files, *params, f"--seed={seed}", f"--run_dir={path}", *limit]
    # By its path it runs where the package is not installed, and modules of the working folder do not hide Python's.
    return [sys.executable, str(LAUNCHER), "train", *options]
