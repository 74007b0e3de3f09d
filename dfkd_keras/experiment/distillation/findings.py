"""What is found out about a teacher before anything is decided."""

import dataclasses

import keras
import numpy as np

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.data import ImageDataset, image_folder
from dfkd_keras.experiment.distillation.request import Request
from dfkd_keras.images import ChannelOrder, InputRange
from dfkd_keras.models.slim import smallest_share
from dfkd_keras.teacher.batch_statistics import batch_norms
from dfkd_keras.teacher.black_box import outputs_only
from dfkd_keras.teacher.cost import multiplications
from dfkd_keras.teacher.input_conventions import best_convention, guess_input_convention
from dfkd_keras.teacher.loading import load_teacher, teacher_kind
from dfkd_keras.teacher.model_checks import (
    black_input,
    detected_outputs,
    input_image_shape,
    own_input_shape,
    random_outputs,
)
from dfkd_keras.teacher.outputs import Outputs, check_values, last_activation
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError

ORDER = " (RGB or BGR cannot be seen and matters to the export alone: --channel_order)"
NEAR_CHANCE = 0.1  # accuracy above chance that is not worth the name
CHANNELS = (1, 3, 4)
SHOWN_NAMES = 3
SIDES = (32, 64, 96, 128, 224, 299)  # of the images of a teacher that takes any size
DEFAULT_SIDE = SIDES[0]


@dataclasses.dataclass(frozen=True)
class Findings:
    """What is known of a teacher.

    Attributes:
        model: Keras model. The teacher.
        source: String. The format of its file, or what else it is.
        image_shape: Tuple of three integers. Height, width and channels of its images.
        any_size: Boolean. Whether it takes images of any size.
        input_shape: Tuple of integers. The shape of what it takes where that is not `image_shape`; None otherwise.
        input_range: String. The range of its images' values, as in `InputConvention`.
        channel_order: String or None. The order of the channels, None if it is not known.
        convention_reason: String. Why this range and order are taken, in words.
        convention_is_sure: Boolean. Whether they are known rather than guessed.
        other_ranges: Tuple of strings. Other ranges that may be right.
        outputs: String. What it returns, as in `Teacher`.
        output_units: Integer. Number of its outputs; 1 for the second of two classes.
        num_classes: Integer. Number of classes.
        is_segmenter: Boolean. Whether it predicts a class for each pixel.
        parameters: Integer. Number of its parameters; 0 of a black box.
        multiplications: Integer. Multiplications for an image; 0 where they are not known.
        batch_norms: Integer. Number of its BatchNorm layers.
        gives_gradients: Boolean. Whether gradients pass through it.
        smallest_share: Float. The share of its parameters that a slim copy can have; 1 if no channel can be cut.
        data: `ImageDataset` or None. The user's images.
    """

    model: keras.Model
    source: str
    image_shape: tuple[int, int, int]
    any_size: bool
    input_shape: tuple[int | None, ...] | None
    input_range: InputRange
    channel_order: ChannelOrder | None
    convention_reason: str
    convention_is_sure: bool
    other_ranges: tuple[InputRange, ...]
    outputs: Outputs
    output_units: int
    num_classes: int
    is_segmenter: bool
    parameters: int
    multiplications: int
    batch_norms: int
    gives_gradients: bool
    smallest_share: float
    data: ImageDataset | None

    def lines(self) -> dict[str, str]:
        """Returns what was found, a line each, by its title."""
        height, width, channels = self.image_shape
        color = {1: "gray", 3: self.channel_order or "color", 4: "color and alpha"}.get(
            channels, f"{channels} channels"
        )
        size = f"{height}x{width} (it takes any size; --image_shape)" if self.any_size else f"{height}x{width}"
        sure = "" if self.convention_is_sure else "a guess: "
        units = f"{self.outputs}, " + (
            "one for two classes" if self.output_units == 1 else f"{self.num_classes} classes"
        )
        gives = ["gradients"] if self.gives_gradients else ["outputs only"]
        gives += [f"{self.batch_norms} BatchNorm layers"] if self.batch_norms else ["no BatchNorm"]
        cost = f"{self.parameters:,} parameters"
        if self.multiplications:
            cost += f", {self.multiplications / 1e6:,.2f} M multiplications an image"
        return {
            "teacher": f"{self.model.name} ({self.source}): {cost if self.parameters else 'a black box'}",
            "images": f"{size}, {color}" + ("" if channels == 1 or self.channel_order else ORDER),
            "values": f"{self.input_range} ({sure}{self.convention_reason})",
            "outputs": f"{units}; --outputs",
            "gives": f"{', '.join(gives)}; dfkd inspect says which methods fit",
        }


def examine(request: Request) -> Findings:
    """Loads a teacher and finds out what distillation has to know of it.

    Args:
        request: `Request`. What it says is not guessed.

    Raises:
        InvalidInputError: If the file cannot be read, or if what the request says cannot be.
        NotFoundError: If the file does not exist.
    """
    model = teacher_of(request)
    known = request.image_shape or input_image_shape(model)
    shape = _tried_shape(model, known)
    if not flatten_layers(model):
        raise InvalidInputError(f"teacher {request.teacher!r} has no layers: give a model of at least one layer.")
    if shape[-1] not in CHANNELS:
        raise InvalidInputError(
            f"teacher {request.teacher!r} takes images of {shape[-1]} channels: only 1, 3 or 4 work."
        )
    raw = _outputs(request, model, shape)
    classes = max(2, raw.shape[-1])
    data = _images(request, shape, classes) if request.images else None
    convention = _convention(request, model, shape, data)
    outputs = request.outputs or detected_outputs(model, shape, request.input_range)
    check_values(model.name, raw, outputs, last_activation(model))
    black_box = outputs_only(model)
    return Findings(
        model=model,
        source=teacher_kind(request.teacher),
        image_shape=shape,
        any_size=None in known,
        input_shape=own_input_shape(model),
        **convention,
        outputs=outputs,
        output_units=raw.shape[-1],
        num_classes=classes,
        is_segmenter=raw.ndim == 4,
        parameters=0 if black_box else model.count_params(),
        multiplications=0 if black_box else multiplications(model, shape),
        batch_norms=len(batch_norms(model)),
        gives_gradients=not black_box,
        smallest_share=smallest_share(model, np.repeat(black_input(model, shape), 2, axis=0)),
        data=data,
    )


def _tried_shape(model: keras.Model, known: tuple[int | None, ...]) -> tuple[int, int, int]:
    """Returns the shape of the images: of a teacher of any size, the smallest at which none of its maps is empty."""
    shapes = [tuple(length or side for length in known) for side in SIDES]
    return next((shape for shape in shapes if None not in known or _takes(model, shape)), shapes[0])


def _takes(model: keras.Model, shape: tuple[int, int, int]) -> bool:
    try:
        _trace(model, shape)
    except Exception:  # layers refuse maps that are too small in many ways
        return False
    return True


def _trace(model: keras.Model, shape: tuple[int, int, int]) -> None:
    """Applies a model to symbols: with maps that are too small, TensorFlow may compute anything instead of failing."""
    model(keras.Input(black_input(model, shape).shape[1:]), training=False)


def teacher_of(request: Request) -> keras.Model:
    """Returns the teacher that a request names."""
    return load_teacher(
        request.teacher,
        safe_mode=not request.allow_code,
        weights=request.weights,
        output=request.output,
        custom_objects=request.custom_objects,
        image_shape=request.image_shape,
    )


def _outputs(request: Request, model: keras.Model, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the teacher's outputs for a few random images."""
    try:
        _trace(model, shape)
        outputs = random_outputs(model, shape)
    except InvalidInputError:
        raise
    except Exception as error:  # whatever its layers raise
        raise InvalidInputError(
            f"teacher {request.teacher!r} cannot be applied to images of {shape} ({type(error).__name__}: "
            f"{single_line(error)[:200]}): if it needs larger ones, give --image_shape, such as 224,224,3."
        ) from error
    if not np.isfinite(outputs).all() or 0 in outputs.shape:
        raise InvalidInputError(
            f"teacher {request.teacher!r} returns outputs that are not finite for images of {shape}: if it needs "
            "larger ones, give --image_shape, such as 224,224,3."
        )
    return outputs


def _images(request: Request, shape: tuple[int, int, int], classes: int) -> ImageDataset:
    """Returns the user's images, whose labels, if there are any, are of the teacher's classes."""
    data = image_folder(request.images, shape, request.names, request.labels)
    if len(data.class_names) < classes and all(name.isdecimal() for name in data.class_names):
        names = tuple(map(str, range(classes))) if data.class_names else None  # not every class need occur
        data = image_folder(request.images, shape, names, request.labels)
    if data.class_names and len(data.class_names) != classes:
        raise InvalidInputError(
            f"the images of {request.images!r} are of {len(data.class_names)} classes "
            f"({', '.join(data.class_names[:SHOWN_NAMES])}, ...), but the teacher has {classes}: name all of them, in "
            "the order of the outputs, by --class_names=FILE."
        )
    return data


def _convention(
    request: Request, model: keras.Model, shape: tuple[int, int, int], data: ImageDataset | None
) -> dict[str, object]:
    """Returns the fields of `Findings` on the range and the order of the channels."""
    if request.input_range:
        order = request.channel_order
        return _fields(request.input_range, order, "as --input_range says", True)
    split, doubt = data.load("test") if data else None, ""
    if split is not None and split.labels is not None:
        best = best_convention(model, split.images, split.labels)
        right = f"{best.accuracy:.1%} of your labeled images are right"
        if best.accuracy >= 1.0 / max(2, len(data.class_names)) + NEAR_CHANCE:
            return _fields(best.input_range, request.channel_order or best.channel_order, right, True)
        # Labels of other classes are right least often in the range that is right.
        doubt = f"; {right} at best, hardly more than by chance: check the labels and the order of the classes"
    guess = guess_input_convention(model, shape, images=None if split is None else split.images)
    sure, remedy = guess.confidence == "certain", "; --input_range changes it"
    others = () if sure else guess.others
    reason = guess.reason if sure else f"{guess.reason}{remedy}"
    return _fields(guess.input_range, request.channel_order, reason + doubt, sure, others)


def _fields(
    input_range: str, order: str | None, reason: str, sure: bool, others: tuple[str, ...] = ()
) -> dict[str, object]:
    return {
        "input_range": input_range,
        "channel_order": order,
        "convention_reason": reason,
        "convention_is_sure": sure,
        "other_ranges": others,
    }
