"""Models of which only the outputs are known: an ONNX or LiteRT file, a server, a Python function."""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from dfkd_keras.backend.host_call import host_call
from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.models.loading.image_network import choose_output, is_channels_first, known_shape, named_outputs
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.finite import first_not_finite

TRIAL_IMAGES = 2
MOST_VALUES = 1 << 26  # of an image; a file or server may claim any shape
Shape = Sequence[int | None]


class OutputsOnly(keras.layers.Layer):
    """Calls a NumPy function from images to outputs; no gradient passes through it.

    Args:
        function: Callable. It takes a float32 array `[B, H, W, C]` and returns a float32 array `[B, *shape]`.
        shape: Tuple of integers. The shape of one output.
        name: String. Name of the layer.
    """

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], name: str | None = None):
        super().__init__(name=name, trainable=False, dtype="float32")
        self.function, self.shape, self.supports_jit = _one_at_a_time(function), shape, False

    def call(self, images: Any) -> Any:
        """Returns the function's float32 outputs."""
        return host_call(self.function, images, self.shape)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the outputs."""
        return (input_shape[0], *self.shape)


def _one_at_a_time(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that replicas may call at once, which not every runtime bears."""
    lock = threading.Lock()

    def locked(images: np.ndarray) -> np.ndarray:
        with lock:
            return function(images)

    return locked


def outputs_only(model: keras.Model) -> bool:
    """Returns whether a model contains a layer through which no gradient passes, see `OutputsOnly`."""
    return any(isinstance(layer, OutputsOnly) for layer in flatten_layers(model))


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A function from images to outputs, and what it takes.

    Attributes:
        function: Callable. It takes an array of `shape` and `dtype` and returns an array, or a list or dictionary of
            arrays.
        shape: Tuple of integers. The shape of a batch of images, channels first or last; None stands for any size, or
            for an unknown shape.
        dtype: String. The data type of the images. Defaults to "float32".
        quantization: Tuple of a float and an integer. The scale and the zero point of integers that stand for real
            numbers. Defaults to none: the integers are the pixels.
    """

    function: Callable[[np.ndarray], Any]
    shape: tuple[int | None, ...] | None = None
    dtype: str = "float32"
    quantization: tuple[float, int] = (0.0, 0)


def black_box(
    runtime: Runtime, name: str, output: str | None = None, image_shape: tuple[int, ...] | None = None
) -> keras.Model:
    """Returns a Keras model that calls a runtime, after a trial with two images.

    Args:
        runtime: `Runtime`. The function and what it takes.
        name: String. Name of the model.
        output: String. The output to use, as in `choose_output`. Defaults to None.
        image_shape: Tuple of integers. Height, width and channels, where the runtime leaves them open. Defaults to
            None.

    Raises:
        InvalidInputError: If the shape of the images is unknown, or the outputs are not finite numbers for each image.
    """
    batch, *own = runtime.shape or (None, *known_shape(None, image_shape))
    channels_first, shape = is_channels_first(own), _images_shape(own, image_shape)

    def outputs(images: np.ndarray) -> dict[str, Any]:
        inputs = _converted(np.moveaxis(images, -1, 1) if channels_first else images, runtime)
        named = _in_batches(runtime.function, inputs, batch)
        return {each: _channels_last(array) for each, array in named.items()} if channels_first else named

    with _telling("", TRIAL_IMAGES, shape):
        trial = outputs(np.full((TRIAL_IMAGES, *shape), 0.5, "float32"))
        chosen = choose_output(trial, output)
        scores = _scores_shape(np.asarray(trial[chosen]))

    def function(images: np.ndarray) -> np.ndarray:
        with _telling(f"teacher {name!r} ", len(images), shape):
            return _scores(np.asarray(outputs(images)[chosen]), len(images), scores)

    images = keras.Input(shape, name="images")
    return keras.Model(images, OutputsOnly(function, scores, "black_box")(images), name=name)


@contextlib.contextmanager
def _telling(subject: str, count: int, shape: tuple[int, ...]) -> Iterator[None]:
    """Raises what a runtime or a user's function raises as an `InvalidInputError` of one line about its subject."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{subject}{error}") from error
    except (DFKDError, MemoryError):
        raise
    except Exception as error:  # runtimes and users' functions raise errors of many kinds
        cause = f"{type(error).__name__}: {single_line(error)[:200]}"
        raise InvalidInputError(
            f"{subject}fails for {count} images of the shape {shape} ({cause}): give the right --image_shape, or mend "
            "it."
        ) from error


def _images_shape(own: Shape, image_shape: Shape | None) -> tuple[int, ...]:
    """Returns height, width and channels of a runtime's images, or what it takes instead of them."""
    shape = (*own[1:], own[0]) if is_channels_first(own) else tuple(own)
    if image_shape and len(image_shape) == len(shape):
        known_shape(shape, image_shape)
        return tuple(image_shape)
    if None in shape:
        raise InvalidInputError(
            f"takes images of the shape {shape}, where None stands for any size: choose one, such as "
            "--image_shape=224,224,3."
        )
    if math.prod(shape) > MOST_VALUES:
        raise InvalidInputError(
            f"takes images of the shape {shape}, which are too large: give a model of smaller ones."
        )
    return shape


def _converted(images: np.ndarray, runtime: Runtime) -> np.ndarray:
    """Returns images of the runtime's type: integers rounded, within their range."""
    dtype, (scale, zero_point) = np.dtype(runtime.dtype), runtime.quantization
    if dtype.kind != "f":
        values = images / np.float32(scale) + zero_point if scale else images
        images = np.clip(np.rint(values), np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.ascontiguousarray(images, dtype)


def _in_batches(function: Callable[[np.ndarray], Any], images: np.ndarray, size: int | None) -> dict[str, Any]:
    """Returns a function's outputs by name, where it may take a fixed number of images; the last are filled up."""
    if size is None:
        return named_outputs(function(images))
    filled = np.concatenate([images, np.repeat(images[-1:], -len(images) % size, axis=0)])
    parts = [named_outputs(function(part)) for part in np.split(filled, len(filled) // size)]
    return {name: np.concatenate([part[name] for part in parts])[: len(images)] for name in parts[0]}


def _channels_last(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, 1, -1) if array.ndim == 4 else array


def _scores_shape(outputs: np.ndarray) -> tuple[int, ...]:
    """Returns the shape of the scores of one image, `(K,)` or `(H, W, K)`, in the outputs of the trial."""
    shape = outputs.shape[1:] or (1,)
    shape = shape[2:] if len(shape) == 3 and shape[:2] == (1, 1) else shape
    if outputs.shape[:1] != (TRIAL_IMAGES,) or len(shape) not in (1, 3) or outputs.dtype.kind not in "fiuO":
        raise InvalidInputError(
            f"returns {outputs.dtype} of the shape {outputs.shape} for {TRIAL_IMAGES} images, and a teacher returns a "
            "score for each class, [B, K] or [B, H, W, K]: choose another output by --output, or wrap the model."
        )
    _scores(outputs, TRIAL_IMAGES, shape)
    return shape


def _scores(outputs: np.ndarray, count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the outputs for a batch as scores, float32 `[count, *shape]`, since any batch may be answered wrongly."""
    if outputs.shape[:1] != (count,) or outputs.size != count * math.prod(shape):
        raise InvalidInputError(
            f"returns outputs of the shape {outputs.shape} for {count} images, not {(count, *shape)} as it did before: "
            "check the model."
        )
    if wrong := first_not_finite(outputs):
        raise InvalidInputError(
            f"returns outputs that are not finite numbers, first {wrong} for {count} images: check the model."
        )
    return outputs.astype("float32").reshape(count, *shape)
