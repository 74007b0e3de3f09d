"""TensorBoard logs of a run, where TensorBoard is installed."""

import importlib.util
import logging
from pathlib import Path

import keras

logger = logging.getLogger(__name__)


def tensorboard_callbacks(folder: Path) -> list[keras.callbacks.Callback]:
    """Returns the callback that writes TensorBoard logs to a folder; an empty list where that is not possible.

    It needs the TensorFlow backend and the package `tensorboard`. If the package is missing, this logs one line.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    if importlib.util.find_spec("tensorboard") is None:
        logger.info("no TensorBoard logs: pip install tensorboard writes them; logs/metrics.csv has the same values.")
        return []
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]
