"""Exporting a student for serving: a SavedModel that takes images as cameras and files give them."""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from dfkd_keras.files import written_aside
from dfkd_keras.images import Normalisation, Space


def serving_model(
    student: keras.Model, normalisation: Normalisation | None = None, input_space: Space = "unit"
) -> keras.Model:
    """Wraps a student with its preprocessing.

    Args:
        student: gives logits.
        normalisation: of the task, needed for a student of normalised images.
        input_space: what the student takes, "unit" or "normalised".

    Returns:
        A model from uint8 images `[B, H, W, C]` to float32 `{"logits": [B, K], "probabilities": [B, K]}`.
    """
    images = layers.Input(student.input_shape[1:], dtype="uint8", name="images")
    unit = layers.Rescaling(1.0 / 255.0)(images)
    inputs = (normalisation or Normalisation()).convert(unit, "unit", input_space)
    logits = ops.cast(student(inputs, training=False), "float32")
    return keras.Model(images, {"logits": logits, "probabilities": ops.softmax(logits, axis=-1)})


def served_classes(version_folder: Path | str, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Returns the classes `[N]` that an exported SavedModel predicts for uint8 images `[N, H, W, C]`.

    Raises:
        ValueError: if the folder holds no SavedModel.
    """
    import tensorflow as tf

    if not (Path(version_folder) / "saved_model.pb").exists():
        raise ValueError(f"{str(version_folder)!r} holds no saved_model.pb: name the version's folder, .../student/1.")
    signature = tf.saved_model.load(str(version_folder)).signatures["serving_default"]
    batches = np.split(images, range(batch_size, len(images), batch_size))
    logits = [signature(images=tf.constant(batch))["logits"].numpy() for batch in batches]
    return np.argmax(np.concatenate(logits), axis=-1)


def export_savedmodel(
    student: keras.Model,
    folder: Path | str,
    normalisation: Normalisation | None = None,
    input_space: Space = "unit",
    version: int = 1,
) -> Path:
    """Writes `folder/version` as a TensorFlow SavedModel that TF Serving can load; whole or not at all.

    Args:
        student: gives logits.
        folder: the folder of the served model's versions.
        normalisation: as in `serving_model`.
        input_space: as in `serving_model`.
        version: the version's number; a version that exists is replaced once the new one is complete.

    Returns:
        The version's folder.

    Raises:
        OSError: if it cannot be written; what was exported before stays whole.
    """
    import tensorflow as tf

    target = Path(folder) / str(version)
    try:
        with written_aside(target) as aside:
            model = serving_model(student, normalisation, input_space)
            model.export(str(aside), format="tf_saved_model", verbose=False)
    except (tf.errors.OpError, OSError) as error:  # TensorFlow tells a full disk in several ways
        raise OSError(
            f"the export to {str(target)!r} failed ({' '.join(str(error).split())}): free some space and export again; "
            "a previous export is unchanged."
        ) from error
    return target
