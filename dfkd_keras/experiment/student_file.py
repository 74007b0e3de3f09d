"""A student that starts from the weights in a file, such as a pruned copy of the teacher."""

import keras
from keras import ops

from dfkd_keras.models.loading.image_network import image_network
from dfkd_keras.models.loading.saved_model import reading, saved_model
from dfkd_keras.teacher.batch_statistics import batch_norms
from dfkd_keras.teacher.model_checks import detected_outputs, input_image_shape
from dfkd_keras.teacher.outputs import to_logits


def student_file(path: str, safe_mode: bool = True, custom_objects: str | None = None) -> keras.Model:
    """Loads a student, and makes it return logits if it ends in an activation, as its teacher may.

    BatchNorm layers that were trained keep the statistics of the images that they saw.

    Args:
        path: String. A `.keras` or HDF5 file.
        safe_mode: Boolean, as in `saved_model`. Defaults to True.
        custom_objects: String, as in `saved_model`. Defaults to None.

    Returns:
        Keras model, trainable.

    Raises:
        NotFoundError: If the file does not exist.
        InvalidInputError: If it cannot be read.
    """
    with reading(f"student file {path!r}", "a Keras model"):
        model = image_network(saved_model(path, safe_mode, custom_objects))
    for layer in batch_norms(model):
        if ops.convert_to_numpy(layer.moving_mean).any():
            layer.trainable = False  # the statistics of synthetic images are not those of real ones
    outputs = detected_outputs(model, input_image_shape(model))
    if outputs == "logits" and model.output_shape[-1] > 1:
        return model
    images = keras.Input(model.input_shape[1:], name="images")
    return keras.Model(images, to_logits(model(images), outputs), name=model.name)
