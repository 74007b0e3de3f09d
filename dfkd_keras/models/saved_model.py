"""Networks from files: Keras' own, and TensorFlow SavedModels."""

import re
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.backend.keras_internals import flatten_layers
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import DFKDError, InvalidInputError, NotFoundError

LOGITS = "logits"
SIGNATURE = "serving_default"


def saved_model(path: str, safe_mode: bool = True) -> keras.Model:
    """Loads a network to be a teacher, or a student that starts from its weights.

    Args:
        path: String. Path of a `.keras` file, or of the folder of a SavedModel whose default signature takes float
            images. A SavedModel works as a teacher for methods that use its logits alone.
        safe_mode: Boolean. Whether to refuse code inside the file, such as a Lambda layer's. False is only for files
            that you trust. Defaults to True.

    Returns:
        Keras model, trainable if it comes from a `.keras` file.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it cannot be read.

    Example:
        >>> teacher = Teacher(saved_model("teacher.keras"))
    """
    if not Path(path).exists():
        raise NotFoundError(f"model file {str(path)!r} does not exist: check the path (here: {Path.cwd()}).")
    is_savedmodel = (Path(path) / "saved_model.pb").exists()
    kind = "SavedModel" if is_savedmodel else "Keras model"
    try:
        if is_savedmodel:
            return _from_savedmodel(Path(path))
        return unfrozen(keras.saving.load_model(path, compile=False, safe_mode=safe_mode))
    except DFKDError:
        raise
    except Exception as error:  # Keras and TensorFlow raise whatever a part of the file raises
        cause = single_line(error)
        raise InvalidInputError(
            f"model file {str(path)!r} cannot be loaded as a {kind} ({type(error).__name__}: {cause[:200]}): "
            f"{_remedy(cause)}"
        ) from error


def unfrozen(model: keras.Model) -> keras.Model:
    """Makes a model trainable if all of it is frozen, as it is if it was saved while it was a teacher."""
    if not model.trainable_variables:
        for layer in flatten_layers(model):  # the model's own `trainable` does not reach every layer of a copy
            layer.trainable = True
    return model


def _remedy(cause: str) -> str:
    if "Lambda" in cause or "lambda" in cause:
        return (
            "it holds code in a Lambda layer; if you trust it, set Teacher.safe_mode = False for a run's teacher, or "
            "saved_model.safe_mode = False for any other model."
        )
    if missing := re.search(r"Could not locate (?:class|function) '([\w>]+)'", cause):
        return (
            f"{missing[1]} must be known: register it with @keras.saving.register_keras_serializable in a module that "
            "the gin file imports."
        )
    return "it may be truncated or of another format; save the model again with model.save('x.keras')."


def _from_savedmodel(path: Path) -> keras.Model:
    """Returns a SavedModel as a Keras model of one layer, through which gradients pass to the images."""
    if keras.backend.backend() != "tensorflow":
        raise InvalidInputError(
            f"SavedModel {str(path)!r} needs the TensorFlow backend, not {keras.backend.backend()!r}: give a .keras "
            "file."
        )
    images = keras.Input(_image_shape(path), name="images")
    outputs = keras.layers.TFSMLayer(str(path), call_endpoint=SIGNATURE, trainable=False)(images)
    if isinstance(outputs, dict):
        outputs = _logits(outputs, path)
    return keras.Model(images, outputs, name=path.resolve().parent.name if path.name.isdigit() else path.name)


def _image_shape(path: Path) -> tuple[int | None, ...]:
    """Returns height, width and channels of the images that a SavedModel's default signature takes."""
    import tensorflow as tf

    signatures = tf.saved_model.load(str(path)).signatures
    if SIGNATURE not in signatures:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} has the signatures {sorted(signatures)}, but no {SIGNATURE!r}: export it again "
            "with model.export()."
        )
    specs = list(signatures[SIGNATURE].structured_input_signature[1].values())
    if len(specs) != 1 or not specs[0].dtype.is_floating:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} takes {', '.join(f'{spec.name}: {spec.dtype.name}' for spec in specs)}: a "
            "gradient has to pass to one input of float images; export the model again with such a signature."
        )
    return specs[0].shape[1:]


def _logits(outputs: dict[str, Any], path: Path) -> Any:
    if len(outputs) > 1 and LOGITS not in outputs:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} has the outputs {', '.join(sorted(outputs))}: export it again with one, or with "
            f"one named {LOGITS!r}."
        )
    return outputs.get(LOGITS, next(iter(outputs.values())))
