"""Distills a student as a gin configuration describes: `dfkd train --gin_file=rdskd.gin`.

Method first, then task, then single bindings; the last one counts. The same command resumes an interrupted run.
"""

from absl import flags

from dfkd_keras.backend import distribution
from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.experiment import Experiment
from dfkd_keras.experiment.reporting.verdict import headline
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.utils.errors import ServerError

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of the run; runs/METHOD-TASK-seedN by default.")
flags.DEFINE_boolean("resume", True, "Resume an interrupted run of the same configuration; --noresume starts over.")
flags.DEFINE_float("max_minutes", None, "End training, and evaluate the student, after so many minutes of training.")
flags.DEFINE_enum("strategy", "none", ["none", "mirrored", "multi_worker"], "Train on several devices, or machines.")
flags.DEFINE_boolean("dry_run", False, "Build everything, print configuration and plan, and end; write nothing.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Runs the experiment and prints where its results are, or its plan."""
    scope, experiment = distribution.scope(FLAGS.strategy), configured_experiment()
    if FLAGS.dry_run:
        with scope:
            print(experiment.plan())
        return
    if FLAGS.strategy != "none":
        with Preemption():
            experiment.teacher()  # trained on one device if need be, before there are several
    with scope:
        train(experiment)


def train(experiment: Experiment) -> None:
    """Runs the experiment in its folder and prints the headline.

    Raises:
        ServerError: If another machine of a multi-worker run was lost.
    """
    run_dir = FLAGS.run_dir or f"runs/{experiment.name}"
    if worker := distribution.worker():
        run_dir = f"{run_dir}-worker{worker}"  # every worker keeps its own checkpoints, of the same state
    try:
        results = experiment.run(run_dir, FLAGS.resume, max_minutes=FLAGS.max_minutes)
    except distribution.WORKER_LOST as error:
        if FLAGS.strategy != "multi_worker":
            raise
        raise ServerError(
            f"another worker is lost ({type(error).__name__}): start the same command again on every machine; the run "
            "resumes from the last checkpoint."
        ) from error
    print(headline(results))
    if results["stopped_by"]:
        print(f"training ended early, by {results['stopped_by']}")
    print(f"see {run_dir}/report.html")
