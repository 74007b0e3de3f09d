"""The gin configuration of a distillation: what was found out and decided, as the bindings of an ordinary run."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from dfkd_keras import models
from dfkd_keras.experiment.distillation.choice import FOR_SIGMOIDS, METHODS, SHARE, STUDENTS, suitable
from dfkd_keras.experiment.distillation.findings import Findings
from dfkd_keras.experiment.distillation.request import AUTO, MODEL_SUFFIXES, Request, task_name
from dfkd_keras.experiment.slim_student import LARGER_SHARES
from dfkd_keras.teacher.cost import multiplications
from dfkd_keras.utils.errors import InvalidInputError

# The budget of the student of a teacher whose own size and cost are not known; small images get fewer multiplications.
BLACK_BOX = {"parameters": 200_000, "multiplications": 20_000_000}
BLACK_BOX_PER_PIXEL = 5_000
# A student with weights has learned already, which the large steps of students that start from nothing would undo.
WARM_TRAINING = {
    "Experiment.optimizer": "@student/Muon",
    "student/Muon.learning_rate": "@student/CosineDecayOverTraining()",
    "student/Muon.adam_lr_ratio": 0.5,
    "student/CosineDecayOverTraining.initial_learning_rate": 0.002,
    "distillation_temperature": 4.0,
    "fast/rounds_per_epoch": 32,  # of small batches
}
# Minutes on a CPU: generators of half the channels, and short rounds of the Fast family, whose images have to come
# close to the teacher's statistics before they teach anything.
FOR_MINUTES = {
    "generator_width": 64,
    "generator_filters": (64, 32),
    "fast/rounds_per_epoch": 8,
    "fast/warmup_rounds": 25,
    "fast/student_updates_per_round": 10,
}
BATCH_PIXELS, FEWEST_IMAGES = 128 * 128 * 128, 16  # of a batch of large images
WARM_BATCH = 32  # images; from what a student has learned, many small steps lead further than few large ones
# Images of a replay buffer; the second one is SSD-KD's.
PROCEDURAL_BUFFER_IMAGES, BUFFER_IMAGES, BUFFER_PIXELS = 8192, 5000, 8192 * 64 * 64  # 400 MB of RGB


@dataclasses.dataclass(frozen=True)
class Composition:
    """A configuration and the decisions that it stands for.

    Attributes:
        method: String. The method's gin file without its suffix.
        bindings: Dictionary of values by what they set; values that start with "@" are references.
        own_bindings: Tuple of strings. The user's, which override these.
        decisions: Dictionary of what was decided and how to change it, in words, by its title.
        fewest_epochs: Float. Epochs that there should be time for, or else the next best method is better.
    """

    method: str
    bindings: dict[str, Any]
    own_bindings: tuple[str, ...]
    decisions: dict[str, str]
    fewest_epochs: float

    @property
    def text(self) -> str:
        """String. The bindings as gin text."""
        return "\n".join(f"{name} = {_gin(value)}" for name, value in self.bindings.items())

    def with_bindings(self, **values: Any) -> "Composition":
        """Returns the composition with further bindings of macros."""
        return dataclasses.replace(self, bindings=self.bindings | values)


def compose(request: Request, findings: Findings, rank: int = 0) -> Composition:
    """Decides on the method and the student, and composes the configuration.

    Args:
        request: `Request`. What the user asked for.
        findings: `Findings`. What is known of the teacher.
        rank: Integer. Where the method is left open, 0 for the best suitable one, 1 for the next, which is faster, and
            so on to the last. Defaults to 0.

    Raises:
        InvalidInputError: If the student is unknown.
    """
    name, why = request.student, "as asked"
    if name is None:
        _, name, why, _ = suitable(STUDENTS, findings)[0]
    method, reason, fewest_epochs = request.method.removesuffix(".gin"), "as asked", 0.0
    if method == AUTO:
        rules = suitable(METHODS, findings, _has_weights(name))
        _, method, reason, fewest_epochs = rules[min(rank, len(rules) - 1)]
    student, described = _student(name, request, findings)
    decisions = {
        "method": f"{method} ({reason}; --method)",
        "student": f"{described} ({why}; --student)",
    }
    if request.bindings:
        decisions["bindings"] = f"yours, which override the above: {'; '.join(request.bindings)}"
    bindings = _task(request, findings) | _teacher(request, findings) | student
    if request.method == AUTO and findings.outputs == "sigmoid" and findings.output_units > 1:
        bindings |= FOR_SIGMOIDS
        decisions["loss"] = "of each class by itself, since each has a sigmoid"
    if _has_weights(name):
        bindings["batch_size"] = min(WARM_BATCH, bindings["batch_size"])
        bindings |= _in_other_ranges(findings)  # would ruin the batch statistics by which other students normalize
    return Composition(
        method=method,
        bindings=bindings | {"Experiment.decisions": {"values": findings.lines()["values"]} | decisions},
        own_bindings=tuple(request.bindings),
        decisions=decisions,
        fewest_epochs=fewest_epochs,
    )


def _task(request: Request, findings: Findings) -> dict[str, Any]:
    bindings = {
        "image_shape": findings.image_shape,
        "normalization": "@Normalization()",
        "Normalization.mean": (0.5,),
        "Normalization.std": (0.25,),
        "batch_size": _count(128, BATCH_PIXELS, findings),
        "procedural_buffer_images": _count(PROCEDURAL_BUFFER_IMAGES, BUFFER_PIXELS, findings),
        "buffer_images": _count(BUFFER_IMAGES, BUFFER_PIXELS, findings),
        **FOR_MINUTES,
        "Experiment.seed": request.seed,
        "Task.name": task_name(request.teacher),
        "Task.data": None,
        "Task.class_names": request.names,
        "Experiment.other_ranges": findings.other_ranges,
    }
    if findings.data is None:
        return bindings
    folder = {"path": str(Path(request.images).resolve()), "image_shape": "%image_shape"}
    if request.labels:
        folder["labels_csv"] = str(Path(request.labels).resolve())
    if findings.data.class_names:
        folder["class_names"] = findings.data.class_names
    return (
        bindings | {"Task.data": "@image_folder()"} | {f"image_folder.{name}": value for name, value in folder.items()}
    )


def _in_other_ranges(findings: Findings) -> dict[str, Any]:
    """Returns the bindings that show some images in each range that may be right."""
    if not _in_any_range(findings):
        return {}
    return {
        "procedural_augment": "@RandomInputRange()",
        "RandomInputRange.input_range": findings.input_range,
        "RandomInputRange.others": findings.other_ranges,
    }


def _in_any_range(findings: Findings) -> bool:
    """Returns whether to show images in several ranges: BatchNorm statistics tell enough to settle on one of them."""
    return bool(findings.other_ranges) and not findings.batch_norms


def _count(most: int, pixels: int, findings: Findings) -> int:
    """Returns how many images to hold: fewer of large ones."""
    height, width, _ = findings.image_shape
    return max(FEWEST_IMAGES, min(most, pixels // (height * width)))


def _has_weights(student: str) -> bool:
    """Returns whether a student has learned something before it is distilled."""
    return student.startswith("slim:") or student.endswith(MODEL_SUFFIXES)


def _teacher(request: Request, findings: Findings) -> dict[str, Any]:
    given = {
        "path": _resolved(request.teacher),
        "input_range": findings.input_range,
        "channel_order": findings.channel_order,
        "outputs": findings.outputs,
        "output": request.output,
        "image_shape": findings.image_shape if findings.any_size or request.image_shape else None,
        "weights": _resolved(request.weights),
        "custom_objects": request.custom_objects,
        "safe_mode": False if request.allow_code else None,
    }
    return {f"Teacher.{name}": value for name, value in given.items() if value is not None} | {
        "Task.teacher": "@Teacher",
        "Teacher.recipe": None,
    }


def _student(name: str, request: Request, findings: Findings) -> tuple[dict[str, Any], str]:
    """Returns the bindings of the student of this name, and what it is in words."""
    if name.startswith("slim:"):
        return _slim(_share(name), findings)
    if name == "compact":
        return _compact(findings)
    if name.endswith(MODEL_SUFFIXES):
        given = {"path": _resolved(name), "custom_objects": request.custom_objects}
        given |= {"safe_mode": False} if request.allow_code else {}
        bindings = {f"student_file.{key}": value for key, value in given.items() if value is not None}
        return {"Task.student": "@student_file"} | bindings | dict(WARM_TRAINING), f"from {Path(name).name}"
    if ":" in name:
        return _network("python_network", findings) | {"python_network.function": name}, f"of the function {name}"
    function, arguments = _named(name)
    return _network(function, findings) | {f"{function}.{key}": value for key, value in arguments.items()}, name


def _share(name: str) -> float:
    if not re.fullmatch(r"slim:(0?\.\d*[1-9]\d*|1|1\.0*)", name):
        raise InvalidInputError(
            f"student {name!r} must be slim: and the share of the parameters, a number above 0 and at most 1, such as "
            "slim:0.25."
        )
    return float(name.removeprefix("slim:"))


def _slim(share: float, findings: Findings) -> tuple[dict[str, Any], str]:
    bindings = {"Task.student": "@slim_student", "slim_student.parameters": share}
    bindings |= {"slim_student.augment": "@RandomInputRange()"} if _in_any_range(findings) else {}
    reached = next(each for each in (share, *LARGER_SHARES) if each >= min(1.0, findings.smallest_share))
    described = f"a slim copy of the teacher, {reached:.0%} of its parameters"
    return bindings | dict(WARM_TRAINING), described + (f", as {share:.0%} are not possible" if reached > share else "")


def _compact(findings: Findings) -> tuple[dict[str, Any], str]:
    if findings.is_segmenter:
        raise InvalidInputError(
            f"teacher {findings.model.name!r} predicts a class for each pixel: give a segmenter as --student, such as "
            "--student=small_deeplab for images whose height and width are divisible by 8."
        )
    budget = {name: int(SHARE * getattr(findings, name)) or most for name, most in _black_box(findings).items()}
    network = models.compact_cnn(findings.image_shape, findings.num_classes, **budget)
    cost = {"parameters": network.count_params(), "multiplications": multiplications(network)}
    known = {name: getattr(findings, name) for name in cost}
    shares = {name: f" ({cost[name] / known[name]:.0%})" if known[name] else "" for name in cost}
    described = (
        f"a compact network, {cost['parameters']:,} parameters{shares['parameters']}, "
        f"{cost['multiplications'] / 1e6:,.2f} M multiplications{shares['multiplications']}"
    )
    bindings = {f"compact_cnn.{name}": value for name, value in budget.items()}
    return _network("compact_cnn", findings) | bindings, described


def _black_box(findings: Findings) -> dict[str, int]:
    height, width, _ = findings.image_shape
    affordable = min(BLACK_BOX["multiplications"], BLACK_BOX_PER_PIXEL * height * width)
    return BLACK_BOX | {"multiplications": affordable}


def _network(function: str, findings: Findings) -> dict[str, Any]:
    """Returns the bindings of a network of unit images, which is made to take what the teacher takes."""
    return {
        "Task.student": "@preprocessed",
        "preprocessed.network": f"@{function}",
        "preprocessed.image_shape": "%image_shape",
        "preprocessed.num_classes": findings.num_classes,
        "preprocessed.input_range": findings.input_range,
        "preprocessed.channel_order": findings.channel_order,
        "preprocessed.input_shape": findings.input_shape,
    }


def _named(name: str) -> tuple[str, dict[str, int]]:
    """Returns the function that builds a network of the package, and its depth where the name ends in it."""
    students = {each: getattr(models, each) for each in models.__all__ if _builds_students(getattr(models, each))}
    if name in students:
        return name, {}
    stem = re.fullmatch(r"(.*?)_?(\d+)", name)
    if stem and "depth" in inspect.signature(students.get(stem[1], _no_network)).parameters:
        return stem[1], {"depth": int(stem[2])}
    raise InvalidInputError(
        f"student {name!r} is unknown: use compact, slim:0.25, {', '.join(sorted(students))} (with a depth, such as "
        "cifar_resnet8), a .keras file, or a function as module:function."
    )


def _no_network() -> keras.Model:
    raise NotImplementedError


def _builds_students(function: Callable) -> bool:
    return {"image_shape", "num_classes"} <= inspect.signature(function).parameters.keys() and (
        function.__name__ not in ("compact_cnn", "preprocessed", "python_network")
    )


def _resolved(path: str | None) -> str | None:
    """Returns the absolute path of a file, so that the configuration works in any folder; others stay."""
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def _gin(value: Any) -> str:
    return value if isinstance(value, str) and value[:1] in ("@", "%") else repr(value)
