"""Distils a student as a gin configuration says: `python scripts/train.py --gin_file=rdskd.gin`."""

from absl import flags
from commandline import configured_experiment, main

from dfkd_keras.experiment.report import headline

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of the run; runs/METHOD-TASK-seedN by default.")
flags.DEFINE_boolean("resume", True, "Go on with an interrupted run of the same configuration; --noresume starts over.")
flags.DEFINE_float("max_minutes", None, "Ends training, and evaluates the student, after so many minutes of it.")


def train() -> None:
    """Runs the experiment and prints where its results are."""
    experiment = configured_experiment()
    run_dir = FLAGS.run_dir or f"runs/{experiment.name}"
    results = experiment.run(run_dir, FLAGS.resume, max_minutes=FLAGS.max_minutes)
    print(headline(results))
    if results["stopped_by"]:
        print(f"training ended early, by {results['stopped_by']}")
    print(f"see {run_dir}/report.html")


if __name__ == "__main__":
    main(train)
