"""Evaluates a student on a task: `dfkd evaluate --gin_file=rdskd.gin --student=runs/X/student.keras`.

The last line of the output is JSON.
"""

import json
from pathlib import Path

from absl import flags

from dfkd_keras import metrics
from dfkd_keras.cli import configuration
from dfkd_keras.cli.configuration import configured_experiment, configured_model
from dfkd_keras.experiment.evaluation import evaluation
from dfkd_keras.export import served_classes

FLAGS = flags.FLAGS
flags.DEFINE_string("student", None, "A .keras file, or the version folder of a SavedModel.", required=True)
flags.adopt_module_key_flags(configuration)


def run() -> None:
    """Prints accuracy, or mean IoU for a segmenter, and agreement with the teacher on the task's test images."""
    experiment = configured_experiment()
    task, teacher = experiment.task, experiment.teacher()
    evaluated = evaluation(task, teacher, task.test_split())
    test = evaluated.split
    path = Path(FLAGS.student)
    if path.is_dir():
        student = served_classes(path, test.images)
    else:
        student = teacher.predict_classes(test.unit_images, configured_model(path))
    results = {
        "student": str(path),
        "task": task.name,
        "test_images": len(test.labels),
        "evaluated_on": evaluated.described,
        **evaluated.renamed(metrics.scores(student, test.labels, teacher.num_classes)),
    }
    if evaluated.has_truth:
        results["agreement"] = metrics.agreement(student, teacher.predict_classes(test.unit_images), test.labels)
    print(json.dumps(results))
