"""Distills a student as a gin configuration says: `python scripts/train.py --gin_file=rdskd.gin`."""

from absl import flags
from commandline import configured_experiment, main

from dfkd_keras.backend import distribution
from dfkd_keras.experiment.reporting.report import headline
from dfkd_keras.experiment.training.preemption import Preemption

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of the run; runs/METHOD-TASK-seedN by default.")
flags.DEFINE_boolean("resume", True, "Go on with an interrupted run of the same configuration; --noresume starts over.")
flags.DEFINE_float("max_minutes", None, "Ends training, and evaluates the student, after so many minutes of it.")
flags.DEFINE_enum("strategy", "none", ["none", "mirrored", "multi_worker"], "Train on several devices, or machines.")


def train() -> None:
    """Runs the experiment and prints where its results are."""
    scope, experiment = distribution.scope(FLAGS.strategy), configured_experiment()
    if FLAGS.strategy != "none":
        with Preemption():
            experiment.teacher()  # is trained on one device, if need be, before there are several
    with scope:
        run_dir = FLAGS.run_dir or f"runs/{experiment.name}"
        if worker := distribution.worker():
            run_dir = f"{run_dir}-worker{worker}"  # every worker keeps its own checkpoints, of the same state
        try:
            results = experiment.run(run_dir, FLAGS.resume, max_minutes=FLAGS.max_minutes)
        except distribution.WORKER_LOST as error:
            if FLAGS.strategy != "multi_worker":
                raise
            raise ConnectionError(
                f"another worker is lost ({type(error).__name__}): start the same command again on every machine, and "
                "the run goes on from the last checkpoint."
            ) from error
    print(headline(results))
    if results["stopped_by"]:
        print(f"training ended early, by {results['stopped_by']}")
    print(f"see {run_dir}/report.html")


if __name__ == "__main__":
    main(train)
