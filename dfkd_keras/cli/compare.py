"""Runs several methods with several seeds on one task and compares them.

dfkd compare --gin_file=ssdkd.gin --gin_file=fast_meta.gin --task=tasks/mnist_resnet8_lenet5half.gin

With --suite, it makes the runs of a suite instead: "foreign", dfkd distill with several students and methods on many
teachers, which measures how true its estimates are; or a gin file in gin_configs/suites/, methods on several tasks with
the same training time:

dfkd compare --suite=foreign --minutes=5 --seeds=0,1
dfkd compare --suite=rdskd_paper --minutes=10 --seeds=0,1

Every run is a process of its own. Complete runs are not repeated, interrupted ones are resumed.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from dfkd_keras.cli import configuration
from dfkd_keras.experiment.reporting.comparison import Run, write_comparison
from dfkd_keras.experiment.suites.foreign import foreign
from dfkd_keras.experiment.suites.method_report import publish
from dfkd_keras.experiment.suites.method_suite import method_suite
from dfkd_keras.experiment.suites.process import run_command
from dfkd_keras.experiment.suites.suite import Shard, Suite, report, run_suite
from dfkd_keras.experiment.training.preemption import Preempted, Preemption
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.files import translate_write_errors

FOREIGN = "foreign"
OF_SUITES = ("minutes", "teachers", "only", "variants", "shard", "report", "publish")
FLAGS = flags.FLAGS
flags.DEFINE_multi_string("task", [], "A gin file given to every run after the method's. May be repeated.")
flags.DEFINE_list("seeds", ["0"], "The seeds, such as 0,1,2; of a suite, its own by default.")
flags.DEFINE_string("out_dir", "runs/comparison", "Folder of the runs, the table and the plot.")
flags.DEFINE_string(
    "reference",
    None,
    "Method whose final accuracy is the goal of the column of times, named as its row; the first by default.",
)
flags.DEFINE_float("max_minutes", None, "End the training of every run after so many minutes of training.")
flags.DEFINE_string("suite", None, "foreign, or the name in gin_configs/suites/, or the path, of a suite's gin file.")
flags.DEFINE_float("minutes", None, "Training time of every run of a suite; the suite's own by default.")
flags.DEFINE_string("teachers", None, "Folder of teachers of your own for the suite foreign, with a teachers.json.")
flags.DEFINE_list("only", [], "The suite's teachers, or tasks, to run, by name; all by default.")
flags.DEFINE_list("variants", [], "The suite's variants, or methods, to run, such as auto,slim:0.1; all by default.")
flags.DEFINE_string("shard", "1/1", "K/N makes every N-th run of the suite only, from the K-th on.")
flags.DEFINE_boolean("report", False, "Make no run, but the suite's tables and plot of what is finished.")
flags.DEFINE_string("publish", None, "With --report: folder that the report is copied to as SUITE.md, .json and .png.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Makes the runs that are missing, and writes the table and the plot after each."""
    folder, rows = Path(FLAGS.out_dir), [row_name(method) for method in FLAGS.gin_file]
    check_seeds()
    if FLAGS.suite:
        check_suite_flags()
        suite = asked_suite(folder)
    else:
        check_flags(rows)
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Preemption():
        if FLAGS.suite:
            make_suite(suite, folder)
        else:
            compare(folder, rows)


def asked_suite(folder: Path) -> Suite:
    """Returns the part of a suite that the flags ask for."""
    suite = foreign(folder, FLAGS.teachers) if FLAGS.suite == FOREIGN else method_suite(FLAGS.suite, folder)
    return suite.only(FLAGS.only, FLAGS.variants)


def make_suite(suite: Suite, folder: Path) -> None:
    """Makes the runs of a suite that are missing, or only its report."""
    seeds = list(map(int, FLAGS.seeds)) if FLAGS["seeds"].present else list(suite.seeds)
    minutes = suite.minutes if FLAGS.minutes is None else FLAGS.minutes
    if not FLAGS.report:
        run_suite(suite, folder, seeds, minutes, Shard(*map(int, FLAGS.shard.split("/"))))
        return
    report(suite, folder, seeds, minutes)
    if FLAGS.publish:
        publish(folder, Path(FLAGS.publish), suite.name)


def check_seeds() -> None:
    """Raises InvalidInputError if the flags do not name seeds."""
    if FLAGS.seed is not None:
        raise InvalidInputError("--seed is for one run: give --seeds=0,1 here.")
    are_whole = FLAGS.seeds and all(map(str.isdecimal, FLAGS.seeds))
    if not are_whole or len(set(map(int, FLAGS.seeds))) < len(FLAGS.seeds):
        raise InvalidInputError(f"--seeds={','.join(FLAGS.seeds)} must be different whole numbers such as 0,1,2.")


def check_suite_flags() -> None:
    """Raises InvalidInputError if flags are given that a suite does not take."""
    for name in ("gin_file", "gin_param", "task", "reference", "max_minutes"):
        if FLAGS[name].present:
            raise InvalidInputError(f"--{name} is not for a suite: leave it out, or leave out --suite={FLAGS.suite}.")
    if FLAGS.minutes is not None and not 0 < FLAGS.minutes < float("inf"):
        raise InvalidInputError(f"--minutes={FLAGS.minutes} must be a number above 0.")
    if not (found := re.fullmatch(r"(\d+)/(\d+)", FLAGS.shard)) or not 1 <= int(found[1]) <= int(found[2]):
        raise InvalidInputError(f"--shard={FLAGS.shard} must be K/N with K from 1 to N, such as 1/4.")
    if FLAGS.teachers and FLAGS.suite != FOREIGN:
        raise InvalidInputError(f"--teachers is for --suite={FOREIGN}: a gin file names its teachers itself.")
    if FLAGS.publish and (not FLAGS.report or FLAGS.suite == FOREIGN):
        raise InvalidInputError("--publish is for --report of a suite of methods: leave it out, or give both.")


def check_flags(rows: Sequence[str]) -> None:
    """Raises InvalidInputError if the flags do not describe a comparison of these rows."""
    if not FLAGS.gin_file:
        raise InvalidInputError("nothing to compare: give --gin_file for every method, such as --gin_file=ssdkd.gin.")
    for name in OF_SUITES:
        if FLAGS[name].present:
            raise InvalidInputError(f"--{name} is for a suite: give --suite={FOREIGN}, or leave it out.")
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
