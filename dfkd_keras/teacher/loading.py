"""Teachers from files of every format, from a server, or from a Python function."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.models.loading.architecture import load_architecture
from dfkd_keras.models.loading.file_format import file_format
from dfkd_keras.models.loading.hdf5 import load_h5_weights
from dfkd_keras.models.loading.image_network import image_network
from dfkd_keras.models.loading.named_network import APPLICATION, PRESET, load_application, load_hub_preset
from dfkd_keras.models.loading.saved_model import READERS, reading
from dfkd_keras.models.loading.tensorflow_savedmodel import read_signature, savedmodel_network
from dfkd_keras.models.loading.weight_limit import weight_limit
from dfkd_keras.teacher.black_box import Runtime, black_box
from dfkd_keras.teacher.model_checks import check_layers
from dfkd_keras.teacher.runtimes import litert_runtime, onnx_runtime, savedmodel_runtime
from dfkd_keras.teacher.served_model import served_runtime
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError
from dfkd_keras.utils.user_modules import import_named, public_objects

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
FILES = {
    "keras": "a Keras model",
    "hdf5": "a Keras model",
    "json": "an architecture",
    "savedmodel": "a SavedModel",
    "onnx": "an ONNX model",
    "litert": "a LiteRT model",
}
NAMED = {"served model": ("http://", "https://"), "network": APPLICATION, "preset": PRESET}
WITHOUT_WEIGHTS = ("json", "network")
Shape = tuple[int, ...]


def load_teacher(
    path: str,
    safe_mode: bool = True,
    weights: str | None = None,
    output: str | None = None,
    custom_objects: str | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> keras.Model:
    """Loads a teacher from whatever holds it; the content of a file tells its format, not its name.

    Args:
        path: String. A `.keras` or HDF5 file by any version of Keras; the JSON of an architecture; the folder of a
            SavedModel; an ONNX or LiteRT file; "keras.applications:NAME"; "keras_hub:FOLDER" for a preset of KerasHub;
            "module:name" for a Python function from float32 images `[B, H, W, C]` to outputs, or for a Keras model or a
            function that makes one; or the URL of a served model, such as "http://localhost:8501/v1/models/student". Of
            ONNX and LiteRT files, functions, served models and SavedModels of integer images only the outputs are
            known, and no gradient passes, see `outputs_only`.
        safe_mode: Boolean. Whether to refuse code inside a file, such as a Lambda layer's. False is only for files that
            you trust. Defaults to True.
        weights: String. HDF5 file of the weights, for the JSON of an architecture or a network of
            `keras.applications`. Defaults to None.
        output: String. Name or position of the output to use, where there are several. Defaults to the one named
            "logits".
        custom_objects: String. Name of the module that defines the model's own layers and functions. Defaults to None.
        image_shape: Tuple of integers. Height, width and channels, where the model does not tell them, or takes images
            as flat vectors. Defaults to the model's own.

    Returns:
        Keras model of one input, images `[B, H, W, C]` or `[B, H, W]`, and one output, `[B, K]` or `[B, H, W, K]`.

    Raises:
        NotFoundError: If there is no such file.
        InvalidInputError: If it cannot be read, is no such model, or has weights that are not finite.
        MissingDependencyError: If the package that executes the file is not installed.
        ServerError: If the server does not know the model.
        ServerTimeoutError: If it does not answer within a minute.

    Example:
        >>> teacher = dk.Teacher(load_teacher("old_model.h5"))
    """
    path, image_shape = str(path), None if image_shape is None else tuple(image_shape)
    kind = teacher_kind(path)
    weights_file = None if weights is None else _weights_file(weights, kind)
    with reading(f"{'model file' if kind in FILES else kind} {path!r}", FILES.get(kind, f"a {kind}")):
        found = _read(kind, path, safe_mode, weights_file, public_objects(custom_objects), image_shape)
        if isinstance(found, Runtime):
            found, output = black_box(found, _name(path), output, image_shape), None
        model = image_network(found, output, image_shape)
        check_layers(model)
        return model


def teacher_kind(path: str) -> str:
    """Returns what holds a teacher: the format of a file, a key of `FILES`, or what else it is, in words."""
    for kind, starts in NAMED.items():
        if path.startswith(starts):
            return kind
    return "function" if FUNCTION.fullmatch(path) and not Path(path).exists() else file_format(Path(path))


def _name(path: str) -> str:
    return re.sub(r"\W+", "_", Path(path).stem)


def _weights_file(weights: str, kind: str) -> Path:
    if kind in WITHOUT_WEIGHTS and file_format(Path(weights)) == "hdf5":
        return Path(weights)
    raise InvalidInputError(
        f"--weights={weights} goes with the JSON of an architecture or a network of keras.applications alone, and has "
        "to be an HDF5 file: other files hold their own weights."
    )


def _read(
    kind: str, path: str, safe_mode: bool, weights: Path | None, objects: dict[str, Any], image_shape: Shape | None
) -> keras.Model | Runtime:
    match kind:
        case "served model":
            return served_runtime(path)
        case "function":
            return _from_python(path)
        case "network":
            return load_application(path, weights, image_shape)
        case "preset":
            return load_hub_preset(path)
        case "json":
            return _from_architecture(Path(path), safe_mode, weights, objects, image_shape)
        case "onnx":
            return onnx_runtime(Path(path))
        case "litert":
            return litert_runtime(Path(path))
        case "savedmodel":
            is_network = keras.backend.backend() == "tensorflow" and read_signature(Path(path)).takes_floats
            return savedmodel_network(Path(path), image_shape) if is_network else savedmodel_runtime(Path(path))
    return READERS[kind](Path(path), safe_mode, objects)


def _from_architecture(
    path: Path, safe_mode: bool, weights: Path | None, objects: dict[str, Any], image_shape: Shape | None
) -> keras.Model:
    if weights is None:
        raise InvalidInputError("holds an architecture and no weights: name their file, such as --weights=model.h5.")
    with weight_limit(weights.stat().st_size):
        model = load_architecture(path, safe_mode, objects)
        if not model.built and image_shape:
            model.build((None, *image_shape))
        load_h5_weights(model, weights)
    return model


def _from_python(path: str) -> keras.Model | Runtime:
    """Returns a Keras model, or a function from images to outputs; one without arguments is called first."""
    found = import_named(path)
    if not isinstance(found, keras.Model) and callable(found) and not _takes_images(found):
        found = _made(found)
    if isinstance(found, keras.Model):
        return found
    if not callable(found):
        raise InvalidInputError(f"is {type(found).__name__}, neither a function of images nor a Keras model.")
    return Runtime(found)


def _made(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except DFKDError:
        raise
    except Exception as error:  # it may raise anything
        raise InvalidInputError(f"fails ({type(error).__name__}: {single_line(error)}): mend it.") from error


def _takes_images(function: Callable) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function that is not written in Python
        return True
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    is_needed = [each.default is each.empty and each.kind in positional for each in parameters]
    return any(is_needed) or any(each.kind is each.VAR_POSITIONAL for each in parameters)
