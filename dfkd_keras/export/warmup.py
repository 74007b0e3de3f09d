"""Warm-up records: requests that TF Serving replays when it loads a version, since the first ones are slow."""

import logging
from pathlib import Path

import numpy as np

from dfkd_keras.serving.predict_request import predict_request
from dfkd_keras.utils.optional_imports import require

BATCH_SIZES = (1, 32)
logger = logging.getLogger(__name__)


def write_warmup(folder: Path, image_shape: tuple[int, int, int], encoded: bool) -> None:
    """Writes a SavedModel's `assets.extra/tf_serving_warmup_requests`: gray images, in every batch size.

    Without tensorflow-serving-api, which defines the records, it writes none and logs that: the export is complete, but
    its first requests are slow.

    Args:
        folder: Path. Folder of the SavedModel.
        image_shape: Tuple of integers. Height, width and channels of the model's images.
        encoded: Boolean. Whether the model has the signature `encoded` too.
    """
    import tensorflow as tf

    try:
        prediction_log_pb2 = require("tensorflow_serving.apis.prediction_log_pb2", "serving")
    except ModuleNotFoundError as error:
        logger.info("no warm-up records in the SavedModel: %s", error)
        return
    gray = np.full(image_shape, 128, np.uint8)
    requests = [predict_request("serving_default", np.repeat(gray[None], size, axis=0)) for size in BATCH_SIZES]
    if encoded:
        requests.append(predict_request("encoded", [encode_png(gray)]))
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for predict in requests:
            log = prediction_log_pb2.PredictLog(request=predict)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def encode_png(image: np.ndarray) -> bytes:
    """Returns a uint8 image `[H, W, C]` as the bytes of a PNG file."""
    import tensorflow as tf

    return tf.io.encode_png(image).numpy()
