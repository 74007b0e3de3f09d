"""What a model offers as a teacher: its inputs and outputs, its features, and which methods it is fit for."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from dfkd_keras.synthesis.targets import DirichletTargets
from dfkd_keras.teacher.batch_statistics import BatchStatistics
from dfkd_keras.teacher.features import probe_shape, stages, stages_to_match
from dfkd_keras.teacher.hooks import flat_layers
from dfkd_keras.teacher.teacher import PENULTIMATE, Teacher, batch_norms, check_outputs, input_image_shape
from dfkd_keras.utils.errors import InvalidInputError

# What a unit image is multiplied by and then has added, for the ranges in use.
RANGES = {
    "in [0, 1]": (1.0, 0.0),
    "in [-1, 1]": (2.0, -1.0),
    "in [0, 255]": (255.0, 0.0),
    "of mean 0 and deviation 1": (4.0, -1.9),
}
# What each method's file asks of a teacher.
REQUIREMENTS = {
    "rdskd": None,
    "dafl": "penultimate",
    "mskd": "penultimate",
    "dfad": None,
    "zskt": "stages",
    "dfq": "batch_norm",
    "zskd": "class_similarity",
    "deepinversion": "batch_norm",
    "adaptive_deepinversion": "batch_norm",
    "cmi": "batch_norm",
    "fast": "batch_norm",
    "fast_meta": "batch_norm",
    "ssdkd": "batch_norm",
}


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect_teacher` found out.

    Attributes:
        name: of the model.
        image_shape: height, width and channels; None for any size.
        input_range: what the values of its images seem to be, in words; None where nothing tells.
        outputs: "logits" or "probabilities", for `Teacher.outputs`.
        num_classes: Integer. How many classes it knows.
        batch_norms: how many BatchNorm layers there are.
        features: the shape, without the batch, of each feature that terms and losses know by name.
        unfit: the methods that do not work with it, and why.
    """

    name: str
    image_shape: tuple[int | None, ...]
    input_range: str | None
    outputs: str
    num_classes: int
    batch_norms: int
    features: dict[str, tuple[int, ...]]
    unfit: dict[str, str]

    @property
    def methods(self) -> list[str]:
        """The methods that work with it."""
        return [method for method in REQUIREMENTS if method not in self.unfit]

    def __str__(self) -> str:
        features = ", ".join(f"{name} {shape}" for name, shape in self.features.items()) or "none by name"
        lines = {
            "model": self.name,
            "images": f"{self.image_shape}, values {self.input_range or 'of a range that nothing tells'}",
            "outputs": f"{self.outputs} of {self.num_classes} classes",
            "BatchNorm": f"{self.batch_norms} layers",
            "features": features,
            "methods": ", ".join(self.methods),
        }
        described = [f"{title:<12}{text}" for title, text in lines.items()]
        for reason in dict.fromkeys(self.unfit.values()):
            methods = [method for method, why in self.unfit.items() if why == reason]
            described.append(f"{'not':<12}{', '.join(methods)}: {reason}")
        return "\n".join(described)


def inspect_teacher(model: keras.Model, image_shape: tuple[int, int, int] | None = None) -> Inspection:
    """Finds out what a trained model offers as a teacher; the model stays as it is, down to what is trainable.

    Args:
        model: a built Keras model, images `[B, H, W, C]` in, a row of logits or of probabilities per image out.
        image_shape: height, width and channels, for a subclassed model, which does not know them.

    Raises:
        ValueError: if the model takes no images, or gives values that are not finite.

    Example:
        >>> print(inspect_teacher(keras.saving.load_model("teacher.keras")))
    """
    shape = tuple(image_shape or input_image_shape(model))
    with _as_teacher(model, shape) as teacher:
        problems = {name: problem for name, check in CHECKS.items() if (problem := check(teacher))}
        return Inspection(
            name=model.name,
            image_shape=shape,
            input_range=_input_range(teacher),
            outputs=teacher.outputs,
            num_classes=teacher.num_classes,
            batch_norms=len(batch_norms(model)),
            features=_features(teacher, problems),
            unfit={method: problems[need] for method, need in REQUIREMENTS.items() if need in problems},
        )


@contextlib.contextmanager
def _as_teacher(model: keras.Model, shape: tuple[int | None, ...]) -> Iterator[Teacher]:
    parts = [*model._flatten_layers(), *model.variables]  # a layer before those in it, which it passes its own on to
    trainable = [part.trainable for part in parts]
    teacher = Teacher(model, outputs=_outputs(model, shape), image_shape=shape)
    try:
        yield teacher
    finally:
        teacher.release()
        for part, was_trainable in zip(parts, trainable, strict=True):
            part.trainable = was_trainable


def _outputs(model: keras.Model, shape: tuple[int | None, ...]) -> str:
    try:
        check_outputs(model, shape, "probabilities")
    except ValueError:
        check_outputs(model, shape)
        return "logits"
    return "probabilities"


def _problem(check) -> str | None:
    try:
        check()
    except ValueError as error:
        return str(error)
    return None


CHECKS = {
    "penultimate": lambda teacher: _problem(lambda: teacher.record((), (PENULTIMATE,))),
    "stages": lambda teacher: _problem(lambda: stages_to_match(teacher.model, teacher.image_shape)),
    "batch_norm": lambda teacher: _problem(lambda: teacher.record(("batch_statistics",))),
    "class_similarity": lambda teacher: _problem(lambda: _check_class_similarity(teacher)),
}


def _check_class_similarity(teacher: Teacher) -> None:
    if teacher.is_segmenter:
        raise InvalidInputError(f"model {teacher.model.name!r} sees a class in each pixel, not one in the image")
    DirichletTargets().prepare(teacher)


def _features(teacher: Teacher, problems: dict[str, str]) -> dict[str, tuple[int, ...]]:
    count = len(stages(teacher.model, teacher.image_shape))
    names = [*([] if "penultimate" in problems else [PENULTIMATE]), *(f"stage_{i + 1}" for i in range(count))]
    teacher.record((), names)
    seen = teacher(np.zeros(probe_shape(teacher.image_shape), "float32"))
    return {name: tuple(seen.features[name].shape[1:]) for name in names}


def _input_range(teacher: Teacher) -> str | None:
    """Returns the range that the model's own preprocessing tells, or else that its first BatchNorm layer is used to."""
    for layer in flat_layers(teacher.model):
        if isinstance(layer, keras.layers.Rescaling):
            return _of_mean(0.5 * (1.0 - np.mean(layer.offset)) / np.mean(layer.scale))
        if isinstance(layer, keras.layers.Normalization):
            return _of_mean(np.mean(layer.mean))
    if not batch_norms(teacher.model):
        return None
    unit = _smooth_images(probe_shape(teacher.image_shape, 16))
    teacher.record(("batch_statistics",))
    distances = {}
    for name, (scale, shift) in RANGES.items():
        images = teacher.normalization.convert(scale * unit + shift, teacher.input_space, "normalized")
        distances[name] = _distance(teacher(images).batch_statistics[0])
    likely = [name for name, distance in distances.items() if distance < 1.5 * min(distances.values())]
    return " or ".join(likely) + ", by its first BatchNorm layer"


def _of_mean(mean: float) -> str:
    return "in [0, 255]" if mean > 2.0 else "in [0, 1]"


def _distance(seen: BatchStatistics) -> float:
    """Returns how far what a layer saw is from what it remembers."""
    mean, variance, moving_mean, moving_variance = (ops.convert_to_numpy(part) + 1e-3 for part in seen)
    spread = np.abs(np.log(variance / moving_variance)).mean()
    return float(spread + (np.abs(mean - moving_mean) / np.sqrt(moving_variance + variance)).mean())


def _smooth_images(shape: list[int]) -> np.ndarray:
    """Returns unit images whose neighboring pixels are alike, as those of photographs are."""
    count, height, width, channels = shape
    coarse = np.random.default_rng(0).beta(1.5, 1.8, (count, math.ceil(height / 8), math.ceil(width / 8), channels))
    enlarged = ops.image.resize(coarse.astype("float32"), (height, width), "bilinear", data_format="channels_last")
    return ops.convert_to_numpy(enlarged)
