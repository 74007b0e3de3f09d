"""Runs several methods with several seeds on one task and compares them.

dfkd compare --gin_file=ssdkd.gin --gin_file=fast_meta.gin --task=tasks/mnist_resnet8_lenet5half.gin

With --suite, it runs dfkd distill with several students and methods on many teachers instead, and measures how true its
estimates are:

dfkd compare --suite=foreign --minutes=5 --seeds=0,1

Every run is a process of its own. Complete runs are not repeated, interrupted ones are resumed.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dfkd_keras.cli import configuration
from dfkd_keras.experiment.reporting.comparison import Run, write_comparison
from dfkd_keras.experiment.suites.foreign import foreign
from dfkd_keras.experiment.suites.process import run_command
from dfkd_keras.experiment.suites.suite import run_suite
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.files import translate_write_errors

SUITES = {"foreign": foreign}
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
flags.DEFINE_enum("suite", None, list(SUITES), "Teachers and variants to run instead of gin files.")
flags.DEFINE_float("minutes", 5.0, "Training time of every run of a suite.")
flags.DEFINE_string("teachers", None, "Folder of teachers of your own for the suite, with a teachers.json.")
flags.DEFINE_list("only", [], "The suite's teachers to run, by name; all by default.")
flags.DEFINE_list("variants", [], "The suite's variants to run, such as auto,slim:0.1; all by default.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Makes the runs that are missing, and writes the table and the plot after each."""
    folder, rows = Path(FLAGS.out_dir), [row_name(method) for method in FLAGS.gin_file]
    check_seeds()
    if FLAGS.suite:
        check_suite_flags()
        suite = SUITES[FLAGS.suite](folder, FLAGS.teachers).only(FLAGS.only, FLAGS.variants)
    else:
        check_flags(rows)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Preemption():
        if FLAGS.suite:
            run_suite(suite, folder, list(map(int, FLAGS.seeds)), FLAGS.minutes)
        else:
            compare(folder, rows)


def check_seeds() -> None:
    """Raises InvalidInputError if the flags do not name seeds."""
    if FLAGS.seed is not None:
        raise InvalidInputError("--seed is for one run: give --seeds=0,1 here.")
    if not all(seed.isdigit() for seed in FLAGS.seeds) or len(set(map(int, FLAGS.seeds))) < len(FLAGS.seeds):
        raise InvalidInputError(f"--seeds={','.join(FLAGS.seeds)} must be different whole numbers such as 0,1,2.")


def check_suite_flags() -> None:
    """Raises InvalidInputError if flags are given that a suite does not take."""
    for name in ("gin_file", "gin_param", "task", "reference", "max_minutes"):
        if FLAGS[name].present:
            raise InvalidInputError(f"--{name} is not for a suite: leave it out, or leave out --suite={FLAGS.suite}.")
    if not 0 < FLAGS.minutes < float("inf"):
        raise InvalidInputError(f"--minutes={FLAGS.minutes} must be a number above 0.")


def check_flags(rows: Sequence[str]) -> None:
    """Raises InvalidInputError if the flags do not describe a comparison of these rows."""
    if not FLAGS.gin_file:
        raise InvalidInputError("nothing to compare: give --gin_file for every method, such as --gin_file=ssdkd.gin.")
    for name in ("minutes", "teachers", "only", "variants"):
        if FLAGS[name].present:
            raise InvalidInputError(f"--{name} is for a suite: give --suite={next(iter(SUITES))}, or leave it out.")
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
    succeeded = run_command(command(method, seed, path), path.with_name(path.name + ".log"))
    complete = (path / "results.json").exists()
    if succeeded and not complete:
        raise Preempted(f"{path.name} was stopped by SIGTERM: the same command resumes it.")
    return succeeded and complete


def command(method: str, seed: int, path: Path) -> list[str]:
    """Returns the subcommand of `dfkd` that makes one run, with its flags."""
    files = [f"--gin_file={name}" for name in (method, *FLAGS.task)]
    params = [f"--gin_param={binding}" for binding in FLAGS.gin_param]
    limit = [] if FLAGS.max_minutes is None else [f"--max_minutes={FLAGS.max_minutes}"]
    return ["train", *files, *params, f"--seed={seed}", f"--run_dir={path}", *limit]
