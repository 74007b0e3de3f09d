"""The export formats, and the one path to all of them: write, read back, compare with the student, publish."""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfkd_keras.data.image_files import check_images
from dfkd_keras.export.litert import load_litert, write_litert
from dfkd_keras.export.onnx import load_onnx, write_onnx
from dfkd_keras.export.parity import ParityReport, Predictor, compare
from dfkd_keras.export.savedmodel import load_savedmodel, write_errors, write_savedmodel
from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.export.versions import check_versions, publish_version
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.files import replace, temporary_path, translate_write_errors, write_error


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is written, read back and compared with the student.

    Args:
        file: String. Name of the file, or of the folder of versions, in the folder of exports.
        write: Callable. Takes a `ServedStudent` and a path, and writes the export there.
        load: Callable. Takes a path and returns the export as a function from uint8 images to logits.
        tolerance: Float. Largest value of `criterion` that is accepted.
        criterion: String. The attribute of the `ParityReport` that the tolerance is for. Defaults to
            "relative_logit_difference".
        versioned: Boolean. Whether an export gets the next number beside earlier ones, rather than replacing a file.
            Defaults to False.
        calibrated: Boolean. Whether `write` takes calibration images too. Defaults to False.
    """

    file: str
    write: Callable[..., None]
    load: Callable[[Path], Predictor]
    tolerance: float
    criterion: Literal["relative_logit_difference", "lost_accuracy"] = "relative_logit_difference"
    versioned: bool = False
    calibrated: bool = False

    def check(self, target: Path) -> None:
        """Raises InvalidInputError if the target exists and is not an export."""
        if self.versioned:
            check_versions(target)
        elif target.is_dir():
            raise InvalidInputError(
                f"{str(target)!r} is a folder, but the export is a file: choose another folder of exports."
            )

    def publish(self, aside: Path, target: Path) -> Path:
        """Moves a complete export from `aside` to its place and returns its path there."""
        if self.versioned:
            return publish_version(aside, target)
        replace(aside, target)
        return target


def litert(precision: str, tolerance: float, **kwargs: Any) -> Format:
    """Returns one of the LiteRT formats."""
    write = functools.partial(write_litert, precision=precision)
    return Format(f"student_{precision}.tflite", write, load_litert, tolerance, **kwargs)


MOST_DISAGREEMENT = 0.1  # of images, or of labeled pixels, with another class than the student's
UNSUPPORTED = re.compile(r"'(tf\.\w+)' op|No Op registered for (\w+)")  # as LiteRT and ONNX say it
FAILURE = (
    "the export to {!r} failed",
    "free some space, or choose a folder that can be written, and export again; a previous export is unchanged",
)
FORMATS = {  # by name: how a format is written, read and compared
    "savedmodel": Format("student", write_savedmodel, load_savedmodel, 1e-5, versioned=True),
    "litert": litert("float32", 1e-5),
    "litert_float16": litert("float16", 2e-3),  # rounding errors of 11-bit kernels add up over the layers
    "litert_dynamic": litert("dynamic", 0.01, criterion="lost_accuracy"),
    "litert_int8": litert("int8", 0.01, criterion="lost_accuracy", calibrated=True),
    "onnx": Format("student.onnx", write_onnx, load_onnx, 1e-5),
}


def export_student(
    served: ServedStudent,
    name: str,
    out_dir: Path | str,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    calibration: np.ndarray | None = None,
    tolerance: float | None = None,
) -> ParityReport:
    """Exports a student, and keeps the export only if its outputs are those of the student.

    The export is written beside its place, read back, compared, and then moved: there is a complete one or none.

    Args:
        served: ServedStudent. The student, its preprocessing and its class names.
        name: String. The format, a key of `FORMATS`.
        out_dir: String or path. Folder of the exports, created if it does not exist. A SavedModel goes to `student/N/`,
            where N is the next free version; any other format to a file, which replaces an earlier one.
        images: uint8 array `[N, H, W, C]`. Held-out images on which export and student are compared.
        labels: Integer array `[N]`, or `[N, H, W]` for a segmenter. Labels of the images. Defaults to None, unknown.
        calibration: uint8 array `[N, H, W, C]`. Images that "litert_int8" is calibrated with; synthetic ones will do.
            Defaults to None.
        tolerance: Float. Replaces the format's own tolerance: of logits, relative to the largest, for float formats; of
            accuracy (0.01 is one percentage point) for formats with int8 weights. At most a tenth of the classes may
            differ besides, or as many as a larger tolerance says. Defaults to None.

    Returns:
        The parity report.

    Raises:
        InvalidInputError: If the format is unknown, the images do not fit, the folder holds something else, the format
            lacks an operation of the student, or the difference exceeds the tolerance. Nothing is left then.
        StorageError: If the export cannot be written. Nothing is left, and an earlier export is unchanged.
        MissingDependencyError: If a package that the format needs is not installed.

    Example:

    >>> served = dk.export.ServedStudent(student)
    >>> dk.export.export_student(served, "onnx", "exports", test.images, test.labels).path
    'exports/student.onnx'
    """
    if name not in FORMATS:
        raise InvalidInputError(f"format {name!r} is unknown: use one of {', '.join(FORMATS)}.")
    check_images(images, served.image_shape)
    chosen, target = FORMATS[name], Path(out_dir) / FORMATS[name].file
    arguments = {}
    if chosen.calibrated and calibration is not None:
        check_images(calibration, served.image_shape)
        arguments["calibration"] = calibration
    chosen.check(target)
    with translate_write_errors(target, *FAILURE, write_errors()), temporary_path(target) as aside:
        with telling(name, served):
            chosen.write(served, aside, **arguments)
            predict = chosen.load(aside)
        report = compare(name, aside, predict, served, images, labels)
        check_parity(report, chosen.criterion, chosen.tolerance if tolerance is None else tolerance)
        return dataclasses.replace(report, path=str(chosen.publish(aside, target)))


@contextlib.contextmanager
def telling(name: str, served: ServedStudent) -> Iterator[None]:
    """Raises what a converter or a runtime raises about a student as an `InvalidInputError` of one line."""
    try:
        yield
    except Exception as error:  # converters and runtimes raise errors of many kinds, over dozens of lines
        if isinstance(error, (DFKDError, MemoryError, OSError)) or write_error(error, write_errors()):
            raise
        operators = UNSUPPORTED.search(str(error))
        said = single_line(error).rsplit(" failed:", 1)[-1][:200]  # without the path of the unfinished file
        cause = f"no {next(filter(None, operators.groups()))} there" if operators else said
        raise InvalidInputError(
            f"student {served.model.name!r} cannot be exported as {name} ({cause}): choose another format, such as "
            "savedmodel, or replace the layer that needs it."
        ) from error


def check_parity(report: ParityReport, criterion: str, tolerance: float) -> None:
    """Raises InvalidInputError if an export differs from its student by more than the tolerance.

    Whatever the criterion, it has to predict the student's class for most images: accuracy may stay the same by chance.
    """
    limits = {criterion: tolerance, "disagreement": max(tolerance, MOST_DISAGREEMENT)}
    for name, limit in limits.items():
        value = 1.0 - report.agreement if name == "disagreement" else getattr(report, name)
        if not value <= limit:
            remedy = "calibrate with other or more images" if report.format == "litert_int8" else "raise the tolerance"
            raise InvalidInputError(
                f"the {report.format} export differs from the student on {report.images} images ({name} {value:.3g}, "
                f"tolerance {limit:g}) and was not kept: {remedy}, or choose another format."
            )
