"""What a model offers as a teacher: its inputs and outputs, its features, and what methods may ask of it."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping

import keras
import numpy as np

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.teacher.batch_statistics import batch_norms
from dfkd_keras.teacher.class_similarity import check_class_similarity
from dfkd_keras.teacher.features import PENULTIMATE, stages, stages_to_match
from dfkd_keras.teacher.input_conventions import InputGuess, guess_input_convention
from dfkd_keras.teacher.model_checks import detected_outputs, input_image_shape, own_network, probe_shape
from dfkd_keras.teacher.teacher import Teacher
from dfkd_keras.utils.errors import InvalidInputError

Needs = Mapping[str, Collection[str]]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `inspect_teacher` found out.

    Attributes:
        name: String. Name of the model.
        image_shape: Tuple of three integers. Height, width and channels; None for any size.
        input_guess: `InputGuess`. The likely range of its images' values, and why.
        outputs: String, such as "logits" or "probabilities", for `Teacher.outputs`.
        num_classes: Integer. Number of classes.
        batch_norms: Integer. Number of BatchNorm layers.
        features: Dictionary. The shape, without the batch axis, of each feature that has a name in every model.
        missing: Dictionary. What methods may need and it cannot give, out of "gradients", "features", "stages",
            "batch_statistics" and "class_similarity", and why.

    Example:
        >>> found = dk.inspect_teacher(dk.models.lenet5())
        >>> found.outputs, found.batch_norms
        ('logits', 0)
    """

    name: str
    image_shape: tuple[int | None, ...]
    input_guess: InputGuess
    outputs: str
    num_classes: int
    batch_norms: int
    features: dict[str, tuple[int, ...]]
    missing: dict[str, str]

    @property
    def input_range(self) -> str:
        """String. The likely range of its images' values, as in `InputConvention`."""
        return self.input_guess.input_range

    def unfit(self, methods: Needs) -> dict[str, str]:
        """Returns the methods that do not work with this model, and why.

        Args:
            methods: Mapping. What each method needs from a teacher, by the method's name, such as
                `experiment.method_needs()`.

        Returns:
            Dictionary of reasons by the method's name.
        """
        reasons = {}
        for name, needs in methods.items():
            if unmet := [need for need in self.missing if need in needs]:
                reasons[name] = self.missing[unmet[0]]
        return reasons

    def describe(self, methods: Needs | None = None) -> str:
        """Returns the findings, a line each.

        Args:
            methods: Mapping. As in `unfit`; the description then also says which methods work with this model.
                Defaults to None.
        """
        described = [f"{title:<12}{text}" for title, text in self._lines().items()]
        if methods is None:
            return "\n".join(described)
        unfit = self.unfit(methods)
        described.append(f"{'methods':<12}{', '.join(name for name in methods if name not in unfit)}")
        for reason in dict.fromkeys(unfit.values()):
            names = [name for name, why in unfit.items() if why == reason]
            described.append(f"{'not':<12}{', '.join(names)}: {reason}")
        return "\n".join(described)

    def __str__(self) -> str:
        return self.describe()

    def _lines(self) -> dict[str, str]:
        guess = self.input_guess
        return {
            "model": self.name,
            "images": f"{self.image_shape}, values {self.input_range} ({guess.confidence}: {guess.reason})",
            "outputs": f"{self.outputs} of {self.num_classes} classes",
            "BatchNorm": f"{self.batch_norms} layers",
            "features": ", ".join(f"{name} {shape}" for name, shape in self.features.items()) or "none by name",
        }


def inspect_teacher(model: keras.Model, image_shape: tuple[int, int, int] | None = None) -> Inspection:
    """Finds out what a trained model offers as a teacher.

    The model is left as it was, including which of its layers are trainable.

    Args:
        model: Built Keras model. It maps images `[B, H, W, C]` to logits or probabilities, `[B, K]` or `[B, H, W, K]`.
        image_shape: Tuple of three integers. Height, width and channels, for a subclassed model, which does not know
            them. Defaults to the model's own.

    Returns:
        `Inspection`. Its text is a line per finding.

    Raises:
        InvalidInputError: If the model takes no images, or returns values that are not finite.

    Example:
        >>> print(dk.inspect_teacher(keras.saving.load_model("teacher.keras")))
    """
    model = own_network(model, image_shape)
    shape = tuple(image_shape or input_image_shape(model))
    with _as_teacher(model, shape) as teacher:
        missing = _missing(teacher)
        return Inspection(
            name=model.name,
            image_shape=shape,
            input_guess=guess_input_convention(model, shape),
            outputs=teacher.outputs,
            num_classes=teacher.num_classes,
            batch_norms=len(batch_norms(model)),
            features=_feature_shapes(teacher, missing),
            missing=missing,
        )


@contextlib.contextmanager
def _as_teacher(model: keras.Model, shape: tuple[int | None, ...]) -> Iterator[Teacher]:
    """Yields the model as a teacher, and makes trainable again what was trainable before."""
    # A layer comes before those in it, which it passes its own `trainable` on to.
    parts = [*flatten_layers(model), *model.variables]
    trainable = [part.trainable for part in parts]
    try:
        yield Teacher(model, outputs=detected_outputs(model, shape), image_shape=shape)
    finally:
        for part, was_trainable in zip(parts, trainable, strict=True):
            part.trainable = was_trainable


def _missing(teacher: Teacher) -> dict[str, str]:
    checks = {
        "gradients": lambda: _check_gradients(teacher),
        "features": lambda: teacher.record((), (PENULTIMATE,)),
        "stages": lambda: stages_to_match(teacher.model, teacher.image_shape),
        "batch_statistics": lambda: teacher.record(("batch_statistics",)),
        "class_similarity": lambda: check_class_similarity(teacher),
    }
    return {need: reason for need, check in checks.items() if (reason := _reason(check))}


def _check_gradients(teacher: Teacher) -> None:
    if not teacher.gives_gradients:
        raise InvalidInputError(f"only the outputs of {teacher.model.name!r} are known, and no gradient passes.")


def _reason(check: Callable) -> str | None:
    try:
        check()
    except InvalidInputError as error:
        return str(error)
    return None


def _feature_shapes(teacher: Teacher, missing: dict[str, str]) -> dict[str, tuple[int, ...]]:
    count = len(stages(teacher.model, teacher.image_shape))
    names = [*([] if "features" in missing else [PENULTIMATE]), *(f"stage_{i + 1}" for i in range(count))]
    teacher.record((), names)
    outputs = teacher(np.zeros(probe_shape(teacher.image_shape), "float32"))
    return {name: tuple(outputs.features[name].shape[1:]) for name in names}
