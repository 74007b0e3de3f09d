"""Exports the student of a run, checked against the Keras student."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from dfkd_keras.backend.distribution import has_strategy
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.errors import InvalidInputError

COMPARED_IMAGES = 256  # of the test images, on which export and student are compared
logger = logging.getLogger(__name__)


def export_checked(distiller: DataFreeDistiller, evaluated: Evaluation, run: RunDirectory) -> None:
    """Exports the student as a SavedModel, as `dfkd export` does, unless its predictions differ from the student's.

    On another backend than TensorFlow, or if the predictions differ, nothing is exported and a warning is logged; the
    run keeps its student either way.

    Args:
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`. The images on which student and export are compared, and the names of the classes.
        run: `RunDirectory`. The folder of the run, which holds the student.

    Raises:
        StorageError: If the export cannot be written.
    """
    if keras.backend.backend() != "tensorflow":
        logger.warning("no SavedModel: the export needs the TensorFlow backend. The student is in %s.", run.student)
        return
    from dfkd_keras.export import ServedStudent, export_student

    images, labels = (part[:COMPARED_IMAGES] for part in evaluated.split)
    served = ServedStudent(
        distiller.student,
        distiller.teacher.inputs,
        class_names=evaluated.class_names,
        image_shape=images.shape[1:],
    )
    try:
        report = _outside_strategy(lambda: export_student(served, "savedmodel", run.exports, images, labels))
    except InvalidInputError as error:
        logger.warning("no SavedModel: %s The student is in %s.", error, run.student)
        return
    logger.info(
        "exported to %s: logits within %.1e of the student's on %d images",
        report.path,
        report.largest_logit_difference,
        report.images,
    )


def _outside_strategy(function: Callable[[], Any]) -> Any:
    """Calls a function outside the scope of a `tf.distribute` strategy, in which a SavedModel cannot be run.

    A scope belongs to its thread, and TensorFlow has no way to leave it.
    """
    if not has_strategy():
        return function()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function).result()
