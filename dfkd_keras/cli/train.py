"""Distills a student as a gin configuration describes: `dfkd train --gin_file=rdskd.gin`.

Method first, then task, then single bindings; the last one counts. The same command resumes an interrupted run.

--minutes measures a few steps and sets the number of epochs, so that the learning rates run their course in this time;
--cpu_minutes does so by the CPU time of all cores, whatever else the machine does; --max_minutes keeps the number of
epochs and cuts the training off.
"""

import time

from absl import flags

from dfkd_keras.backend import distribution
from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment
from dfkd_keras.experiment import Experiment
from dfkd_keras.experiment.distillation.budget import fit_to_time, time_limit
from dfkd_keras.experiment.presets import experiment_of
from dfkd_keras.experiment.reporting.verdict import headline
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.training.preemption import Preemption
from dfkd_keras.utils.errors import InvalidInputError, ServerError

TIMES = {"minutes": time.perf_counter, "cpu_minutes": time.process_time, "max_minutes": None}  # and their clocks
FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of the run; runs/METHOD-TASK-seedN by default.")
flags.DEFINE_boolean("resume", True, "Resume an interrupted run of the same configuration; --noresume starts over.")
flags.DEFINE_float("max_minutes", None, "End training, and evaluate the student, after so many minutes of training.")
flags.DEFINE_float("minutes", None, "Training time to fit the number of epochs to, as dfkd distill does.")
flags.DEFINE_float("cpu_minutes", None, "As --minutes, in CPU time: 20 is about 10 minutes of two free cores.")
flags.DEFINE_enum("strategy", "none", ["none", "mirrored", "multi_worker"], "Train on several devices, or machines.")
flags.DEFINE_boolean("dry_run", False, "Build everything, print configuration and plan, and end; write nothing.")
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Runs the experiment and prints where its results are, or its plan."""
    scope, experiment = distribution.scope(FLAGS.strategy), configured_experiment()
    if {FLAGS.minutes, FLAGS.cpu_minutes} != {None}:
        experiment = timed(experiment)
    if FLAGS.dry_run:
        with scope:
            print(experiment.plan())
        return
    if FLAGS.strategy != "none":
        with Preemption():
            experiment.teacher()  # trained on one device if need be, before there are several
    with scope:
        train(experiment)


def timed(experiment: Experiment) -> Experiment:
    """Returns the experiment of the flags with as many epochs as fit into `--minutes` or `--cpu_minutes`.

    Raises:
        InvalidInputError: If the time is impossible, or limited by another flag too.
    """
    (name, minutes), *others = [(name, FLAGS[name].value) for name in TIMES if FLAGS[name].value is not None]
    if not 0 < minutes < float("inf"):
        raise InvalidInputError(f"--{name}={minutes} must be a number above 0.")
    if others or FLAGS.strategy != "none":
        other = others[0][0] if others else "strategy"
        raise InvalidInputError(f"--{name} and --{other} do not go together: leave out one of them.")
    bindings = [*FLAGS.gin_param, f"Experiment.seed = {experiment.seed}"]
    planned = experiment_of(FLAGS.gin_file, bindings)
    return fit_to_time(planned, minutes, run_directory(experiment), FLAGS.resume, TIMES[name])


def run_directory(experiment: Experiment) -> RunDirectory:
    """Returns the folder of the run."""
    return RunDirectory(FLAGS.run_dir or f"runs/{experiment.name}")


def train(experiment: Experiment) -> None:
    """Runs the experiment in its folder and prints the headline.

    Raises:
        ServerError: If another machine of a multi-worker run was lost.
    """
    run_dir = run_directory(experiment).path
    if worker := distribution.worker():
        run_dir = f"{run_dir}-worker{worker}"  # every worker keeps its own checkpoints, of the same state
    limit = FLAGS.max_minutes
    if FLAGS.minutes:
        limit = time_limit(FLAGS.minutes, run_directory(experiment), FLAGS.resume)
    try:
        results = experiment.run(run_dir, FLAGS.resume, max_minutes=limit)
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
