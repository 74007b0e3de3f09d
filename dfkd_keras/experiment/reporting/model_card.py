"""The model card of a student: `README.md` in the format of model hubs, which can be pushed as it is."""

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.identity import weights_checksum
from dfkd_keras.experiment.reporting import calibration
from dfkd_keras.experiment.reporting.assessment import Assessment
from dfkd_keras.experiment.reporting.citation import citation
from dfkd_keras.experiment.reporting.markdown import bullets, code_block, document, escaped, in_terminal, yaml
from dfkd_keras.experiment.reporting.page import shown
from dfkd_keras.experiment.reporting.verdict import (
    answer,
    costs,
    decided,
    headline,
    listed,
    same_run,
    title,
    verdict,
)
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.run_directory.own_files import CARD, is_card
from dfkd_keras.export.versions import versions
from dfkd_keras.synthesis import RealImages
from dfkd_keras.utils.errors import NotFoundError
from dfkd_keras.utils.files import atomic_write

RATES = ("accuracy", "mean_iou", "agreement", "estimated_agreement")
LICENSE = "# license: apache-2.0  # yours to choose; the license of the teacher may bind the student"
logger = logging.getLogger(__name__)
LIMITS = (
    "It answers what its teacher answers, mistakes and prejudices included, and was never corrected by the truth.",
    "On images unlike those that the teacher was made for, the answers of both mean nothing, however sure they are.",
    "It was not tested against images that are made to mislead it, nor for fairness between groups of people.",
)


class Subject(NamedTuple):
    """What a card says of a student besides its figures.

    Attributes:
        teacher: String. Name of the teacher.
        teacher_sha256: String or None. Checksum of the teacher's weights, which a black box does not show.
        input_shape: Tuple of integers. The shape of what the student takes for an image.
        values: String. The range of these, in words.
        outputs: String. What it returns, as in `Teacher`.
        output_shape: Tuple of integers. The shape of what it returns for an image.
        data: String or None. The data set that it was trained on, None for a data-free method.
        modules: Tuple of strings. The modules that define its layers, besides Keras.
    """

    teacher: str
    teacher_sha256: str | None
    input_shape: tuple[int, ...]
    values: str
    outputs: str
    output_shape: tuple[int | None, ...]
    data: str | None
    modules: tuple[str, ...]


def subject_of(distiller: DataFreeDistiller, image_shape: tuple[int, int, int]) -> Subject:
    """Returns what a card says of a student besides its figures.

    Args:
        distiller: `DataFreeDistiller`, trained.
        image_shape: Tuple of three integers. Height, width and channels of the images that it was evaluated on.
    """
    teacher, synthesizer, inputs = distiller.teacher, distiller.synthesizer, distiller.teacher.inputs
    values = inputs.input_range
    if values == "normalized":
        values = f"(0..1 - {inputs.normalization.mean}) / {inputs.normalization.std}"
    modules = {type(layer).__module__.split(".")[0] for layer in flatten_layers(teacher.in_place(distiller.student))}
    return Subject(
        teacher=teacher.model.name,
        teacher_sha256=weights_checksum(teacher.model) if teacher.gives_gradients else None,
        input_shape=tuple(inputs.shape or image_shape),
        values=values if image_shape[-1] < 3 else f"{values}, {inputs.order.upper()}",
        outputs=teacher.outputs,
        output_shape=tuple(teacher.outputs_shape),
        data=synthesizer.data.name if isinstance(synthesizer, RealImages) else None,
        modules=tuple(sorted(modules - {"keras"})),
    )


def write_card(
    run: RunDirectory, results: dict[str, Any], assessment: Assessment, distiller: DataFreeDistiller
) -> None:
    """Writes the card beside the student, and into the folder of exports together with a copy of the student.

    Args:
        run: `RunDirectory`. The folder of the run, with its student and its exports.
        results: Dictionary. The contents of `results.json`.
        assessment: `Assessment`.
        distiller: `DataFreeDistiller`, trained.
    """
    subject = subject_of(distiller, assessment.image_shape)
    newest = max(versions(run.exports / "student"), default=None)
    exported = None if newest is None else run.exports / "student" / str(newest)
    if exported is not None:
        with atomic_write(run.exports / run.student.name) as aside:
            shutil.copyfile(run.student, aside)
    for folder in (run.path, *([run.exports] if exported else [])):
        if (folder / CARD).exists() and not is_card(folder / CARD):
            logger.info("%s is no model card and is left as it is; the run has none beside it", folder / CARD)
            continue
        savedmodel = exported and exported.relative_to(folder)
        run.write_text(folder / CARD, model_card(results, assessment, subject, savedmodel))


def card_in(path: Path) -> str:
    """Returns the card of a student as text for a terminal.

    Args:
        path: `Path`. The folder of a run or of exports, or the file of the student in it.

    Raises:
        NotFoundError: If there is no card beside it.
    """
    card = (path if path.is_dir() else path.parent) / CARD
    if not is_card(card):
        raise NotFoundError(
            f"{str(path)!r} has no model card, {str(card)!r}: give the folder of a finished run, or a student in one."
        )
    if not path.exists():
        raise NotFoundError(
            f"{str(path)!r} does not exist, though there is a model card in its folder: check the name."
        )
    return in_terminal(card.read_text(encoding="utf-8", errors="replace"))


def model_card(
    results: dict[str, Any], assessment: Assessment, subject: Subject, savedmodel: Path | None = None
) -> str:
    """Returns the text of a card.

    Args:
        results: Dictionary. The contents of `results.json`.
        assessment: `Assessment`.
        subject: `Subject`.
        savedmodel: `Path`. The exported SavedModel, seen from the card. Defaults to None, none.
    """
    by_pixel, by_truth = assessment.by_pixel, assessment.evaluated.has_truth
    told = [answer(results, by_pixel), headline(results), *verdict(results, assessment.unseen, by_pixel)]
    told.append(calibration.told(assessment.calibration, by_truth))
    return document(
        "\n".join(["---", *_header(results, assessment, subject), "---"]),
        f"# {escaped(title(results))}",
        *_described(results, assessment, subject),
        "## How to use it",
        *_usage(assessment, subject, savedmodel),
        "## How good it is",
        *map(escaped, told),
        bullets({name: shown(value) for name, value in costs(results, assessment.milliseconds).items()}),
        "## How it was made",
        *_made(results),
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
    )


def _header(results: dict[str, Any], assessment: Assessment, subject: Subject) -> list[str]:
    """Returns the lines of metadata that model hubs read, and what they ignore: the teacher and the method."""
    kind = "image-segmentation" if assessment.by_pixel else "image-classification"
    measured = {name: results[f"student_{name}"] for name in RATES if f"student_{name}" in results}
    measured |= {name: results[name] for name in RATES if name in results}
    of_data = {"type": "none" if "estimated_agreement" in measured else "images", "name": results["evaluated_on"]}
    metrics = [{"type": name, "value": round(float(value), 4)} for name, value in measured.items()]
    return [
        LICENSE,
        *yaml({"library_name": "keras", "pipeline_tag": kind}),
        *yaml({"tags": ["keras", "knowledge-distillation", *([] if subject.data else ["data-free"])]}),
        *yaml({"datasets": [subject.data]} if subject.data else {"datasets": []}),
        *yaml({"metrics": list(measured)}),
        *yaml({"teacher": {"name": subject.teacher, "weights_sha256": subject.teacher_sha256}}),
        *yaml({"method": {"name": results["method"], "source": citation(results["method"])}}),
        *yaml({"model-index": [{"name": title(results), "results": [
            {"task": {"type": kind}, "dataset": of_data, "metrics": metrics}
        ]}]}),
    ]  # fmt: skip


def _described(results: dict[str, Any], assessment: Assessment, subject: Subject) -> list[str]:
    names = assessment.evaluated.class_names
    learned = f"on the images of {subject.data}" if subject.data else "without data: no image of any data set was used"
    told = {
        "teacher": subject.teacher,
        "SHA-256 of the teacher's weights": subject.teacher_sha256 or "unknown, it is a black box",
        "classes": f"{len(names)}: {listed(names)}",
    }
    answers = "a class for each pixel" if assessment.by_pixel else "a class for each image"
    return [f"A small network that gives {answers} as its teacher does. It learned {escaped(learned)}.", bullets(told)]


def _usage(assessment: Assessment, subject: Subject, savedmodel: Path | None) -> list[str]:
    modules, shape, image = ", ".join(subject.modules), _shape(subject.input_shape), _shape(assessment.image_shape)
    is_importable = re.fullmatch(r"[\w, ]*", modules)
    parts = [
        f"`student.keras` takes float32 images `[N, {shape}]` of the values {escaped(subject.values)}, and returns "
        f"{escaped(subject.outputs.replace('_', ' '))} `[N, {_shape(subject.output_shape)}]`:",
        code_block(
            "python",
            f"import keras, numpy as np{f', {modules}' if modules and is_importable else ''}",
            'student = keras.saving.load_model("student.keras")',
            f'print(student.predict(np.zeros((1, {shape}), "float32")))',
        ),
    ]
    if savedmodel is None:
        return parts
    answer = "mask" if assessment.by_pixel else "class_id"
    named = "" if assessment.by_pixel else ", and `class_name` where the classes have names"
    return [
        *parts,
        f"`{savedmodel}` is the same student as a SavedModel for TF Serving. Its signature `serving_default` takes "
        f"`images`, uint8 `[N, {image}]` from 0 to 255, and `encoded` takes the bytes of PNG or JPEG files `[N]`; both "
        f"return `logits`, `probabilities` and `{answer}`{named}:",
        code_block(
            "python",
            "import tensorflow as tf",
            f'student = tf.saved_model.load("{savedmodel.as_posix()}")',
            f'print(student.signatures["serving_default"](images=tf.zeros((1, {image}), tf.uint8))["{answer}"])',
        ),
    ]


def _shape(lengths: Sequence[int | None]) -> str:
    return ", ".join("?" if length is None else str(length) for length in lengths)


def _made(results: dict[str, Any]) -> list[str]:
    minutes = results["seconds_total"] / 60.0
    amounts = {
        "source": citation(results["method"]) or f"{results['method']}, which is not the package's own",
        "time": f"{minutes:,.1f} minutes in all, {results['student_updates']:,} updates of the student",
        "seed": str(results["seed"]),
        "versions": ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
    }
    return [
        code_block("bash", same_run("config.gin")),
        "`config.gin` is in the folder of the run and not part of this card, since it names folders of its machine.",
        bullets(amounts | decided(results)),
    ]
