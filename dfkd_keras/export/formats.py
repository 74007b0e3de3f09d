"""The formats a student is exported to, each checked against the student before it appears."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dfkd_keras.data.image_files import check_images
from dfkd_keras.export.litert import load_litert, write_litert
from dfkd_keras.export.onnx import load_onnx, write_onnx
from dfkd_keras.export.parity import ParityReport, Predictor, compare
from dfkd_keras.export.savedmodel import load_savedmodel, one_line_oserror, write_savedmodel
from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.export.versions import check_versions, publish_version
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import replace, temporary_path


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is written, read back and judged.

    Args:
        file: its name in the folder of exports.
        write: writes the student to a path.
        load: reads it back as a function from images to logits.
        tolerance: the largest value of `limited` that is no error.
        limited: the figure of the parity report that is judged.
        versioned: whether it goes to a numbered folder, beside earlier ones, rather than in the place of a file.
        calibrated: whether `write` takes calibration images as well.
    """

    file: str
    write: Callable[..., None]
    load: Callable[[Path], Predictor]
    tolerance: float
    limited: Literal["relative_logit_difference", "lost_accuracy"] = "relative_logit_difference"
    versioned: bool = False
    calibrated: bool = False

    def check(self, target: Path) -> None:
        """Raises ValueError if there is something in its place that is no export."""
        if self.versioned:
            check_versions(target)
        elif target.is_dir():
            raise InvalidInputError(
                f"{str(target)!r} is a folder, where a file is to go: choose another folder of exports."
            )

    def publish(self, aside: Path, target: Path) -> Path:
        """Moves a finished export to its place and returns the path of it."""
        if self.versioned:
            return publish_version(aside, target)
        replace(aside, target)
        return target


def litert(precision: str, tolerance: float, **kwargs: Any) -> Format:
    """Returns one of the LiteRT formats."""
    write = functools.partial(write_litert, precision=precision)
    return Format(f"student_{precision}.tflite", write, load_litert, tolerance, **kwargs)


FORMATS = {
    "savedmodel": Format("student", write_savedmodel, load_savedmodel, 1e-5, versioned=True),
    "litert": litert("float32", 1e-5),
    "litert_float16": litert("float16", 2e-3),  # kernels of 11 bits, whose errors add up over the layers
    "litert_dynamic": litert("dynamic", 0.01, limited="lost_accuracy"),
    "litert_int8": litert("int8", 0.01, limited="lost_accuracy", calibrated=True),
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
    """Exports a student, whole or not at all, and only if it then says what the student says.

    Args:
        served: the student, its preprocessing and its class names.
        name: of the format, a key of `FORMATS`.
        out_dir: the folder of exports, made if need be: `student/N/` for a SavedModel, where N is the next free
            version; otherwise a file, which replaces an earlier one.
        images: held out, to compare on: uint8 `[N, H, W, C]`.
        labels: of the images, integers `[N]`; None (default) where they are not known.
        calibration: for "litert_int8": uint8 `[N, H, W, C]`, synthetic ones for instance.
        tolerance: instead of the format's own: of logits, relative to the largest, for float formats; of accuracy
            (0.01 is one percentage point) for int8 ones.

    Returns:
        The parity report.

    Raises:
        ValueError: for an unknown format, unfit images, a folder that holds something else, or an export beyond the
            tolerance; nothing is left then.
        OSError: if it cannot be written; nothing is left, and an earlier export is unchanged.
        ModuleNotFoundError: if a package that the format needs is not installed.
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
    with one_line_oserror(target), temporary_path(target) as aside:
        chosen.write(served, aside, **arguments)
        report = compare(name, aside, chosen.load(aside), served, images, labels)
        check_parity(report, chosen.limited, chosen.tolerance if tolerance is None else tolerance)
        return dataclasses.replace(report, path=str(chosen.publish(aside, target)))


def check_parity(report: ParityReport, limited: str, tolerance: float) -> None:
    """Raises ValueError if an export differs from its student by more than the tolerance."""
    value = getattr(report, limited)
    if not value <= tolerance:
        remedy = "calibrate with other or more images" if report.format == "litert_int8" else "raise the tolerance"
        raise InvalidInputError(
            f"the {report.format} export differs from the student on {report.images} images ({limited} {value:.3g}, "
            f"tolerance {tolerance:g}) and was not kept: {remedy}, or choose another format."
        )
