"""A TensorFlow SavedModel in a numbered version folder, as TF Serving loads it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dfkd_keras.export.serving_model import ServedStudent
from dfkd_keras.export.warmup import write_warmup
from dfkd_keras.images import Normalization, Space
from dfkd_keras.metrics import evaluation_batch_size
from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.files import atomic_write

ENCODED_CHANNELS = (1, 3, 4)  # what PNG and JPEG are decoded to


def export_savedmodel(
    student: keras.Model,
    folder: Path | str,
    normalization: Normalization | None = None,
    input_space: Space = "unit",
    version: int = 1,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> Path:
    """Writes `folder/version` as a TensorFlow SavedModel that TF Serving can load; whole or not at all.

    Args:
        student: gives logits.
        folder: the folder of the served model's versions.
        normalization: as in `serving_model`.
        input_space: as in `serving_model`.
        version: the version's number; a version that exists is replaced once the new one is complete.
        class_names: one per class, for the output `class_name`.
        image_shape: as in `ServedStudent`.

    Returns:
        The version's folder.

    Raises:
        OSError: if it cannot be written; what was exported before stays whole.
        ValueError: if there are more or fewer names than classes.
    """
    target = Path(folder) / str(version)
    served = ServedStudent(student, normalization, input_space, class_names, image_shape)
    with one_line_oserror(target), atomic_write(target) as aside:
        write_savedmodel(served, aside)
    return target


def write_savedmodel(served: ServedStudent, folder: Path) -> None:
    """Writes a SavedModel with the signatures `serving_default` and, for 1, 3 or 4 channels, `encoded`.

    `serving_default` takes `images`, uint8 `[B, H, W, C]`; `encoded` takes `images`, the bytes of PNG or JPEG files
    `[B]`, which are decoded and resized inside. Both give `logits`, `probabilities`, `class_id` and, where names are
    known, `class_name`; of a segmenter `logits` and `probabilities` for each pixel, and the `mask` `[B, H, W]`.
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
    """Returns images `[B, H, W, C]` whose shape is checked in every request, and not deep inside the network.

    A server trusts the signature's shape, and TensorFlow optimizes away a check of what it believes to know; the
    placeholder makes it forget.
    """
    import tensorflow as tf

    forgotten = tf.raw_ops.PlaceholderWithDefault(input=images, shape=None, name="images")
    return tf.ensure_shape(forgotten, (None, *image_shape))


def decode(data: Any, image_shape: tuple[int, int, int]) -> Any:
    """Decodes the bytes of one PNG or JPEG file to uint8 `[H, W, C]`, resized as `dfkd_keras.data` resizes."""
    import tensorflow as tf

    *size, channels = image_shape
    image = tf.io.decode_image(data, channels=channels, expand_animations=False)
    resized = tf.round(tf.image.resize(image, size, method="bilinear", antialias=True))
    return tf.ensure_shape(tf.saturate_cast(resized, tf.uint8), image_shape)


def load_savedmodel(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the exported model as a function from uint8 images `[N, H, W, C]` to logits `[N, K]`.

    Raises:
        ValueError: if the folder holds no SavedModel.
    """
    import tensorflow as tf

    if not (Path(folder) / "saved_model.pb").exists():
        raise InvalidInputError(f"{str(folder)!r} holds no saved_model.pb: name the version's folder, .../student/1.")
    model = tf.saved_model.load(str(folder))
    signature = model.signatures["serving_default"]

    def predict(images: np.ndarray, model: Any = model) -> np.ndarray:  # the signature alone does not keep its weights
        return signature(images=tf.constant(images))["logits"].numpy()

    return predict


def served_classes(version_folder: Path | str, images: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Returns the classes that an exported SavedModel predicts.

    Args:
        version_folder: of the SavedModel.
        images: uint8 `[N, H, W, C]`.
        batch_size: images at a time; by default see `evaluation_batch_size`.

    Returns:
        Integers `[N]`, or `[N, H, W]` of a segmenter.

    Raises:
        ValueError: if the folder holds no SavedModel.
    """
    predict, batch_size = load_savedmodel(Path(version_folder)), batch_size or evaluation_batch_size(images.shape)
    batches = np.split(images, range(batch_size, len(images), batch_size))
    return np.concatenate([np.argmax(predict(batch), axis=-1) for batch in batches])


@contextlib.contextmanager
def one_line_oserror(target: Path) -> Iterator[None]:
    """Turns what is raised when an export cannot be written into an OSError of one line."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, OSError) as error:  # TensorFlow tells a full disk in several ways
        raise OSError(
            f"the export to {str(target)!r} failed ({single_line(error)}): free some space, or choose a "
            "folder that can be written, and export again; a previous export is unchanged."
        ) from error
