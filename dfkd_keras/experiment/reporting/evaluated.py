"""The sections of a report on what the student is good at, what it confuses, how sure it is, and what it costs."""

import io

import numpy as np

from dfkd_keras.experiment.reporting.agreement import Confusion, agreement_by_class, most_confused
from dfkd_keras.experiment.reporting.assessment import Assessment
from dfkd_keras.experiment.reporting.calibration import told
from dfkd_keras.experiment.reporting.page import figure, paragraph, picture, section, table
from dfkd_keras.experiment.reporting.plots import SHOWN_CLASSES, bars, reliability, save_image_rows
from dfkd_keras.experiment.reporting.verdict import costs
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.metrics import valid_mask

LONGEST_NAME = 14  # characters of a class, of which a label has two
CONFUSED, AGREED = 6, 3  # images of a pair of classes that are shown


def evaluated_sections(run: RunDirectory, results: dict, assessment: Assessment) -> list[str]:
    """Returns the sections on the images that the student was evaluated on.

    Args:
        run: `RunDirectory`. The folder of the run, with the drawn masks of a segmenter.
        results: Dictionary. The contents of `results.json`.
        assessment: `Assessment`.
    """
    evaluated, drawn = assessment.evaluated, []
    if run.test_images.exists():
        drawn = [paragraph("With the masks of teacher and student."), picture(run.test_images.read_bytes(), "masks")]
    return [
        section(evaluated.described.capitalize(), *drawn, figure(agreement_chart(assessment))),
        section("What it confuses", *_confusions(assessment)),
        section("How sure it is", *_calibration(assessment)),
        section(
            "Size and speed", paragraph("Measured at the end of the run, on its machine."), _costs(results, assessment)
        ),
    ]


def agreement_chart(assessment: Assessment) -> str:
    """Returns a bar for each class that the teacher gives an image; of many, those that are agreed on least."""
    names, (teacher, student) = assessment.evaluated.class_names, _classes(assessment)
    shares = agreement_by_class(teacher, student, len(names))
    worst = np.argsort(shares)[: min(SHOWN_CLASSES, np.count_nonzero(~np.isnan(shares)))]
    shown, title = np.sort(worst), "Agreement by the teacher's class"
    if len(shown) == SHOWN_CLASSES:
        title += ", the lowest"
    counted = "pixels" if assessment.by_pixel else "images"
    numbers = np.bincount(teacher, minlength=len(names))[shown]
    unit = f"% of its {counted}, whose number is above"
    return bars(title, [names[index] for index in shown], 100 * shares[shown], unit, numbers)


def _classes(assessment: Assessment) -> tuple[np.ndarray, np.ndarray]:
    """Returns the classes that teacher and student predict for each image, or pixel of a class."""
    known = valid_mask(assessment.evaluated.split.labels)
    return tuple(assessment.predicted[network][known] for network in ("teacher", "student"))


def _confusions(assessment: Assessment) -> list[str]:
    """Returns the pairs of classes that are confused most often, with some of their images if these have a class."""
    counted = "pixels" if assessment.by_pixel else "images"
    if not (pairs := most_confused(*_classes(assessment))):
        return [paragraph(f"Nothing: teacher and student agree on all {counted}.")]
    names = assessment.evaluated.class_names
    if assessment.by_pixel:
        return [
            paragraph("How many pixels the teacher gives the first class and the student the second."),
            table(
                {f"{names[each.teacher_class]}, not {names[each.student_class]}": len(each.positions) for each in pairs}
            ),
        ]
    return [
        paragraph(
            "How many images the teacher gives the first class and the student the second. Beside some of them, images "
            "of both classes on which the two agree."
        ),
        picture(_compared(assessment, pairs), "images that teacher and student give different classes"),
    ]


def _compared(assessment: Assessment, pairs: list[Confusion]) -> bytes:
    """Returns a PNG with a row for each pair: confused images, and those of both classes that are agreed on."""
    names, (teacher, student) = assessment.evaluated.class_names, _classes(assessment)
    agreed = np.where(teacher == student, teacher, -1)
    columns = {
        "confused": (CONFUSED, [each.positions for each in pairs]),
        "the teacher's class": (AGREED, [np.flatnonzero(agreed == each.teacher_class) for each in pairs]),
        "the student's class": (AGREED, [np.flatnonzero(agreed == each.student_class) for each in pairs]),
    }
    images = assessment.evaluated.split.images
    parts = {
        title: (count, [images[positions[:count]] / np.float32(255.0) for positions in rows])
        for title, (count, rows) in columns.items()
    }
    titles = [
        f"{_short(names[each.teacher_class])}, not {_short(names[each.student_class])}: {len(each.positions)}"
        for each in pairs
    ]
    save_image_rows(buffer := io.BytesIO(), parts, titles)
    return buffer.getvalue()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _calibration(assessment: Assessment) -> list[str]:
    by_truth = assessment.evaluated.has_truth
    title = "Right answers by confidence" if by_truth else "Agreement with the teacher by confidence"
    series = {name: calibration.bins()[:2] for name, calibration in assessment.calibration.items()}
    return [paragraph(told(assessment.calibration, by_truth)), figure(reliability(title, series))]


def _costs(results: dict, assessment: Assessment) -> str:
    return table(costs(results, assessment.milliseconds))
