"""Networks from files: Keras' own, and TensorFlow SavedModels."""

import re
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError, NotFoundError

LOGITS = "logits"


def saved_model(path: str, safe_mode: bool = True) -> keras.Model:
    """Loads a network, to be a teacher or a student that starts from its weights.

    Args:
        path: a `.keras` file; or the folder of a SavedModel whose default signature takes float images. Such a one is
            a teacher for methods that look at its logits alone.
        safe_mode: whether code inside the file, as a Lambda layer has it, is refused. Only for files you trust
            otherwise.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read.
    """
    if not Path(path).exists():
        raise NotFoundError(f"model file {str(path)!r} does not exist: check the path (here: {Path.cwd()}).")
    if (Path(path) / "saved_model.pb").exists():
        return _from_savedmodel(Path(path))
    try:
        return unfrozen(keras.saving.load_model(path, compile=False, safe_mode=safe_mode))
    except Exception as error:
        cause = single_line(error)
        raise InvalidInputError(
            f"model file {str(path)!r} cannot be loaded as a Keras model ({type(error).__name__}: {cause[:200]}): "
            f"{_remedy(cause)}"
        ) from error


def unfrozen(model: keras.Model) -> keras.Model:
    """Makes a model trainable again that was frozen altogether, as one is that was saved while it was a teacher."""
    if not model.trainable_variables:
        for layer in model._flatten_layers():  # the model's own `trainable` does not reach every layer of a copy
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
    if keras.backend.backend() != "tensorflow":
        raise InvalidInputError(
            f"SavedModel {str(path)!r} needs the TensorFlow backend, not {keras.backend.backend()!r}: give a .keras "
            "file."
        )
    import tensorflow as tf

    signatures = tf.saved_model.load(str(path)).signatures
    if "serving_default" not in signatures:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} has the signatures {sorted(signatures)}, but no 'serving_default': export it "
            "again with model.export()."
        )
    signature = signatures["serving_default"]
    specs = list(signature.structured_input_signature[1].values())
    if len(specs) != 1 or not specs[0].dtype.is_floating:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} takes {', '.join(f'{spec.name}: {spec.dtype.name}' for spec in specs)}: a "
            "gradient has to pass to one input of float images; export the model again with such a signature."
        )
    outputs = _endpoint(path)(images := keras.Input(specs[0].shape[1:], name="images"))
    if isinstance(outputs, dict):
        outputs = _only_logits(outputs, path)
    return keras.Model(images, outputs, name=path.resolve().parent.name if path.name.isdigit() else path.name)


def _endpoint(path: Path) -> keras.layers.Layer:
    return keras.layers.TFSMLayer(str(path), call_endpoint="serving_default", trainable=False)


def _only_logits(outputs: dict[str, Any], path: Path) -> Any:
    if len(outputs) > 1 and LOGITS not in outputs:
        raise InvalidInputError(
            f"SavedModel {str(path)!r} gives {', '.join(sorted(outputs))}: export it again with one, or with one "
            f"that is named {LOGITS!r}."
        )
    return outputs.get(LOGITS, next(iter(outputs.values())))
