"""Runs several methods with several seeds on one task and compares them:

python scripts/compare.py --gin_file=ssdkd.gin --gin_file=fast_meta.gin --task=tasks/mnist_resnet8_lenet5half.gin

Every run is a process of its own; what is complete is not run again, what was interrupted goes on.
"""

import itertools
import subprocess
import sys
from pathlib import Path

from absl import flags
from commandline import main

from dfkd_keras.experiment.reporting.comparison import Run, write_comparison
from dfkd_keras.experiment.training.preemption import Preempted, Preemption

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("task", [], "A gin file given to every run after the method's. May be repeated.")
flags.DEFINE_list("seeds", ["0"], "The seeds, such as 0,1,2.")
flags.DEFINE_string("out_dir", "runs/comparison", "Folder of the runs, the table and the plot.")
flags.DEFINE_string(
    "reference",
    None,
    "The method whose final accuracy times are counted to, as its row is called; the first by default.",
)
flags.DEFINE_float("max_minutes", None, "Ends the training of every run after so many minutes of it.")


def compare() -> None:
    """Makes the runs that are missing and writes the table and the plot after each."""
    if not FLAGS.gin_file:
        raise ValueError("nothing to compare: give --gin_file for every method, such as --gin_file=ssdkd.gin.")
    if FLAGS.seed is not None:
        raise ValueError("--seed is for one run: give --seeds=0,1 here.")
    if not all(seed.isdigit() for seed in FLAGS.seeds) or len(set(map(int, FLAGS.seeds))) < len(FLAGS.seeds):
        raise ValueError(f"--seeds={','.join(FLAGS.seeds)} must be different whole numbers such as 0,1,2.")
    rows = [row_name(method) for method in FLAGS.gin_file]
    if twice := {row for row in rows if rows.count(row) > 1}:
        raise ValueError(f"--gin_file: two of them make the row {twice.pop()!r}: give each once, rename one of two.")
    if FLAGS.reference not in (None, *rows):
        raise ValueError(f"--reference={FLAGS.reference} is no row of this comparison: use one of {', '.join(rows)}.")
    folder, finished, failed, table = Path(FLAGS.out_dir), [], [], ""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, method in itertools.product(map(int, FLAGS.seeds), FLAGS.gin_file):
        path = folder / f"{row_name(method)}-seed{seed}"
        print(f"{path.name} ...", flush=True)
        if train(method, seed, path):
            finished.append(Run.read(path))
        else:
            failed.append(path.name)
        known = any(run.results["method"] == FLAGS.reference for run in finished)
        table = write_comparison(folder, finished, FLAGS.reference if known else None)
    print(f"{table}see {folder}/comparison.md, .csv and .png")
    if failed:
        raise ValueError(f"these runs failed, see their logs in {folder}: {', '.join(failed)}.")


def row_name(method: str) -> str:
    """Returns what a gin file's row is called, and its folders up to the seed."""
    return method.removesuffix(".gin").strip("./").replace("/", "-")


def train(method: str, seed: int, path: Path) -> bool:
    """Makes one run in a process of its own, its output in a log beside the run; returns whether it succeeded."""
    files = [f"--gin_file={name}" for name in (method, *FLAGS.task)]
    params = [f"--gin_param={binding}" for binding in FLAGS.gin_param]
    script = Path(__file__).parent / "train.py"
    command = [sys.executable, str(script), *files, *params, f"--seed={seed}", f"--run_dir={path}"]
    command += [] if FLAGS.max_minutes is None else [f"--max_minutes={FLAGS.max_minutes}"]
    with (
        open(path.with_name(path.name + ".log"), "a") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            process.wait()
        except Preempted:
            process.terminate()  # it saves, which is waited for
            raise
    complete = (path / "results.json").exists()
    if process.returncode == 0 and not complete:
        raise Preempted(f"{path.name} was stopped by SIGTERM: the same command goes on from there.")
    return process.returncode == 0 and complete


if __name__ == "__main__":
    with Preemption():
        main(compare)
