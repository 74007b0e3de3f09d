"""Exports a student and checks that the export gives the student's outputs.

dfkd export --run_dir=runs/rdskd-digits_lenet5-seed0 --format=all

A student without a run is `--student=student.keras` with its task (`--gin_file`), or with images to compare on
(`--images`) and what it takes and returns (`--input_range`, `--outputs`). The last line of the output is JSON: a parity
report for each format.
"""

import dataclasses
import json
from pathlib import Path
from typing import get_args

import numpy as np
from absl import flags

from dfkd_keras.cli import allow_code, configuration
from dfkd_keras.cli.configuration import configured_experiment, configured_model
from dfkd_keras.data import read_images
from dfkd_keras.data.class_names import names_of
from dfkd_keras.experiment import Experiment
from dfkd_keras.experiment.evaluation import evaluation
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.run_directory.foreign_code import code_in
from dfkd_keras.experiment.synthetic import synthetic_images
from dfkd_keras.export import FORMATS, ParityReport, ServedStudent, export_student
from dfkd_keras.images import STATISTICS, ChannelOrder, InputConvention
from dfkd_keras.teacher.model_checks import own_input_shape
from dfkd_keras.teacher.outputs import Outputs
from dfkd_keras.utils.errors import InvalidInputError

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Folder of a run: its configuration, its student and its synthetic images.")
flags.DEFINE_string("student", None, "A .keras file; the run's student by default.")
flags.DEFINE_list("format", ["savedmodel"], f"One or several of {', '.join(FORMATS)}, or all.")
flags.DEFINE_string("out_dir", None, "Folder of the exports; export/ in the run's folder by default.")
flags.DEFINE_string("images", None, ".npz or .npy of held-out uint8 images; the task's test images by default.")
flags.DEFINE_string("calibration_images", None, ".npz or .npy for litert_int8; the run's synthetic images by default.")
flags.DEFINE_list(
    "class_names", None, "Their names, or one file with them, as for dfkd distill; the task's by default."
)
flags.DEFINE_enum("input_range", None, list(STATISTICS), "Without run or task: the values that the student takes.")
flags.DEFINE_enum("channel_order", None, get_args(ChannelOrder), "Without run or task: the order of its channels.")
flags.DEFINE_enum("outputs", None, get_args(Outputs), "Without run or task: what the student returns.")
flags.DEFINE_float("tolerance", None, "Tolerance of the parity check; the format's own by default.")
flags.adopt_module_key_flags(configuration)
flags.adopt_module_key_flags(allow_code)


def run() -> None:
    """Writes every format, and prints its difference from the student, its size and its latency."""
    formats = list(FORMATS) if FLAGS.format == ["all"] else FLAGS.format
    if not formats:
        raise InvalidInputError(f"--format is empty: use {', '.join(FORMATS)}, or all.")
    if unknown := [name for name in formats if name not in FORMATS]:
        raise InvalidInputError(f"--format={unknown[0]} is unknown: use {', '.join(FORMATS)}, or all.")
    experiment, run = described()
    path = FLAGS.student or (run and run.student)
    out_dir = FLAGS.out_dir or (run and run.exports)
    if not path or not out_dir:
        raise InvalidInputError("nothing to export: give --run_dir, or --student and --out_dir.")
    served, (images, labels) = served_student(path, experiment), held_out(experiment)
    calibration = calibration_images(experiment, run) if any(FORMATS[name].calibrated for name in formats) else None
    reports = {}
    for name in formats:
        report = export_student(served, name, out_dir, images, labels, calibration, FLAGS.tolerance)
        reports[name] = dataclasses.asdict(report)
        show(report)
    print(json.dumps(reports))


def described() -> tuple[Experiment | None, RunDirectory | None]:
    """Returns the experiment and the run that the flags name, None where they name none."""
    run = RunDirectory(FLAGS.run_dir) if FLAGS.run_dir else None
    if run and not run.configuration.exists():
        raise InvalidInputError(
            f"--run_dir={FLAGS.run_dir} is not a run directory: it has no {run.configuration.name}."
        )
    if run and not FLAGS.gin_file:
        if not FLAGS.allow_code and (line := code_in(run.configuration.read_text(encoding="utf-8"))):
            raise InvalidInputError(
                f"config.gin of run_dir {FLAGS.run_dir!r} has code run ({line!r}): give --allow_code if you trust who "
                "made it."
            )
        FLAGS.gin_file = [str(run.configuration)]
    if FLAGS.gin_param and not FLAGS.gin_file:
        raise InvalidInputError(
            f"--gin_param={FLAGS.gin_param[0]!r} binds nothing: give --run_dir or --gin_file as well."
        )
    return (configured_experiment() if FLAGS.gin_file else None), run


def served_student(path: Path | str, experiment: Experiment | None) -> ServedStudent:
    """Returns the student with what its task knows of it."""
    check_conventions(experiment)
    model, names = configured_model(path), names_of(FLAGS.class_names)
    if experiment is None:
        inputs = InputConvention(FLAGS.input_range, FLAGS.channel_order, shape=own_input_shape(model))
        return ServedStudent(model, inputs, FLAGS.outputs, names)
    teacher = experiment.teacher()
    names = names or experiment.task.names_of_classes(teacher)
    shape = experiment.task.data.image_shape if experiment.task.data else teacher.image_shape
    return ServedStudent(model, teacher.inputs, teacher.outputs_of(model), names, shape)


def check_conventions(experiment: Experiment | None) -> None:
    """Raises InvalidInputError unless either a task or the flags say what the student takes and returns."""
    if experiment is None and not (FLAGS.input_range and FLAGS.outputs):
        raise InvalidInputError(
            "nothing says what the student takes and returns: give --run_dir, its task as --gin_file, or --input_range "
            "and --outputs, such as --input_range=0..1 --outputs=logits."
        )
    for name in ("input_range", "channel_order", "outputs"):
        if experiment is not None and FLAGS[name].present:
            raise InvalidInputError(f"--{name} is for a student without run or task, which know it: leave it out.")


def held_out(experiment: Experiment | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the images to compare on, and their labels where they are known."""
    if FLAGS.images:
        return read_images(FLAGS.images), None
    if experiment is None:
        raise InvalidInputError("no images to compare on: give --images, or the task as --gin_file.")
    test = experiment.task.test_split()
    if test is not None and test.labels is not None:  # no teacher has to be loaded
        return test
    return evaluation(experiment.task, experiment.teacher(), test).split


def calibration_images(experiment: Experiment | None, run: RunDirectory | None) -> np.ndarray:
    """Returns the images from which a quantized export learns the range of its activations."""
    if FLAGS.calibration_images:
        return read_images(FLAGS.calibration_images)
    if run is None:
        raise InvalidInputError("litert_int8 needs images to calibrate with: give --calibration_images, or --run_dir.")
    return synthetic_images(experiment, run.path)


def show(report: ParityReport) -> None:
    """Prints a report in one line."""
    print(
        f"{report.format}: {report.path}, {report.bytes:,} bytes, logits within {report.largest_logit_difference:.1e}, "
        f"agreement {report.agreement:.2%} on {report.images:,} images, {report.milliseconds_batch_1:.2f} ms "
        f"(batch 32: {report.milliseconds_batch_32:.2f} ms)",
        flush=True,
    )
