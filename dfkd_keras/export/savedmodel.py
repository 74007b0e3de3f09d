"""A TensorFlow SavedModel in a numbered version folder, as TF Serving loads it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.export.warmup import write_warmup
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError

ENCODED_CHANNELS = (1, 3, 4)  # what PNG and JPEG are decoded to


def write_savedmodel(served: ServedStudent, folder: Path) -> None:
    """Writes a SavedModel with the signatures `serving_default` and, for 1, 3 or 4 channels, `encoded`.

    `serving_default` takes `images`, uint8 `[B, H, W, C]`; `encoded` takes `images`, the bytes of PNG or JPEG files
    `[B]`, which are decoded and resized inside. Both return `logits`, `probabilities`, `class_id` and, if the names are
    known, `class_name`. For a segmenter they return `logits` and `probabilities` of each pixel and the `mask`
    `[B, H, W]`.

    Args:
        served: ServedStudent. The student with its preprocessing.
        folder: Path. Folder to write.
    """
    import tensorflow as tf

    network, shape = served.network(), served.image_shape
    names = None if served.class_names is None else tf.constant(list(served.class_names))

    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = network(checked(images, shape), training=False)
        class_id = tf.argmax(outputs["logits"], axis=-1)
        if class_id.shape.rank > 1:
            return {**outputs, "mask": class_id}
        named = {} if names is None else {"class_name": tf.gather(names, class_id)}
        return {**outputs, "class_id": class_id, **named}

    def predict_encoded(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return predict(tf.map_fn(lambda data: decode(data, shape), images, fn_output_signature=tf.uint8))

    encoded = shape[-1] in ENCODED_CHANNELS
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serving_default", predict, [tf.TensorSpec((None, *shape), tf.uint8, name="images")])
    if encoded:
        archive.add_endpoint("encoded", predict_encoded, [tf.TensorSpec((None,), tf.string, name="images")])
    archive.write_out(str(folder), verbose=False)
    write_warmup(folder, shape, encoded)


def checked(images: Any, image_shape: tuple[int, int, int]) -> Any:
    """Returns images `[B, H, W, C]` whose shape is checked in every request.

    A server does not enforce the signature's shape, and TensorFlow optimizes away the check of a shape that it knows
    statically; the placeholder hides it.
    """
    import tensorflow as tf

    unknown = tf.raw_ops.PlaceholderWithDefault(input=images, shape=None, name="images")
    return tf.ensure_shape(unknown, (None, *image_shape))


def decode(data: Any, image_shape: tuple[int, int, int]) -> Any:
    """Decodes the bytes of one PNG or JPEG file to uint8 `[H, W, C]`, resized as `dfkd_keras.data` resizes."""
    import tensorflow as tf

    *size, channels = image_shape
    image = tf.io.decode_image(data, channels=channels, expand_animations=False)
    resized = tf.round(tf.image.resize(image, size, method="bilinear", antialias=True))
    return tf.ensure_shape(tf.saturate_cast(resized, tf.uint8), image_shape)


def load_savedmodel(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the exported model as a function from uint8 images `[N, H, W, C]` to float32 logits `[N, K]`.

    Raises:
        InvalidInputError: If the folder holds no SavedModel, or it cannot be loaded.
    """
    import tensorflow as tf

    if not (Path(folder) / "saved_model.pb").exists():
        raise InvalidInputError(f"{str(folder)!r} holds no saved_model.pb: name the version's folder, .../student/1.")
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures["serving_default"]
    except Exception as error:  # TensorFlow raises errors of many kinds
        cause = f"{type(error).__name__}: {single_line(error)[:200]}"
        raise InvalidInputError(
            f"SavedModel {str(folder)!r} cannot be loaded ({cause}): it may be truncated; export the student again."
        ) from error

    def predict(images: np.ndarray, model: Any = model) -> np.ndarray:  # the signature does not keep the weights alive
        return signature(images=tf.constant(images))["logits"].numpy()

    return predict


def served_classes(version_folder: Path | str, images: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Returns the classes that an exported SavedModel predicts.

    Args:
        version_folder: String or path. Folder of one version of the model, such as "export/student/1".
        images: uint8 array `[N, H, W, C]`.
        batch_size: Integer. Images per call. Defaults to None, as many as `evaluation_batch_size` allows.

    Returns:
        Integer array `[N]`, or `[N, H, W]` for a segmenter.

    Raises:
        InvalidInputError: If the folder holds no SavedModel.

    Example:
        >>> images = np.zeros((4, 32, 32, 1), "uint8")
        >>> report = dk.export.export_student(dk.export.ServedStudent(student), "savedmodel", "served", images)
        >>> dk.export.served_classes(report.path, images).shape
        (4,)
    """
    predict, batch_size = load_savedmodel(Path(version_folder)), batch_size or evaluation_batch_size(images.shape)
    batches = np.split(images, range(batch_size, len(images), batch_size))
    return np.concatenate([np.argmax(predict(batch), axis=-1) for batch in batches])


def write_errors() -> tuple[type[Exception], ...]:
    """Returns the classes of the errors that TensorFlow raises where a file cannot be written.

    It reports a full disk by errors of several kinds, and not always in their text.
    """
    from tensorflow import errors

    return (
        errors.UnknownError,
        errors.ResourceExhaustedError,
        errors.DataLossError,
        errors.InternalError,
        errors.PermissionDeniedError,
        errors.NotFoundError,
        errors.FailedPreconditionError,
    )
