"""Trains a task's teacher: `python scripts/train_teacher.py --gin_file=rdskd.gin --output=teacher.keras`."""

from absl import flags
from commandline import configured_experiment, main

from dfkd_keras import metrics
from dfkd_keras.utils.files import atomic_write

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Where to save the teacher, in addition to the cache of the recipe.")


def train_teacher() -> None:
    """Trains the teacher or takes it from the cache, and prints its accuracy on real test images."""
    experiment = configured_experiment()
    teacher, test = experiment.teacher(), experiment.task.test_split()
    scores = metrics.scores(teacher.predict_classes(test.unit_images), test.labels, teacher.num_classes)
    told = (f"{metrics.METRICS[name]} {value:.2%}" for name, value in scores.items())
    print(f"teacher: {', '.join(told)} on real test images")
    if FLAGS.output:
        with atomic_write(FLAGS.output) as aside:
            teacher.model.save(aside)
        print(f"saved as {FLAGS.output}")


if __name__ == "__main__":
    main(train_teacher)
