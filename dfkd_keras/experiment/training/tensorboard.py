"""TensorBoard logs of a run, where TensorBoard is installed: scalars, images and hyper-parameters."""

import importlib.util
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.text import printable

UNTOLD = ("_sha256", "weights_norm", "test_images", "test_labels")  # ends of names: what tells runs apart, not why
logger = logging.getLogger(__name__)


def tensorboard_callbacks(run: RunDirectory) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that write a run's TensorBoard logs; an empty list where that is not possible.

    They need the TensorFlow backend and the package `tensorboard`. If the package is missing, this logs one line. They
    come after `ImageGrids`, whose pictures they log.

    Args:
        run: `RunDirectory`. The folder of the run, whose `identity.json` holds the hyper-parameters.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    if importlib.util.find_spec("tensorboard") is None:
        logger.info("no TensorBoard logs: pip install tensorboard writes them; logs/metrics.csv has the same values.")
        return []
    from tensorboard.plugins.hparams import api

    identity = run.read_json(run.identity) if run.identity.exists() else {}
    return [
        keras.callbacks.TensorBoard(str(run.tensorboard), write_graph=False),
        GridLog(run),
        api.KerasCallback(str(run.tensorboard), hyperparameters(identity)),
    ]


class GridLog(keras.callbacks.Callback):
    """Logs the grid of synthetic images of an epoch, if one was drawn, for the Images tab.

    Args:
        run: `RunDirectory`. The folder of the run.
    """

    def __init__(self, run: RunDirectory):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Logs the grid of the epoch."""
        if (path := self.run.grid(epoch)).exists():
            self._log(path, epoch)

    def _log(self, path: Path, epoch: int) -> None:
        import tensorflow as tf

        picture = tf.io.decode_png(path.read_bytes(), channels=3)
        with tf.summary.create_file_writer(str(self.run.tensorboard)).as_default():
            tf.summary.image("synthetic images", picture[None], step=epoch)


def hyperparameters(identity: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Returns what an experiment is made of as plain values by dotted names, for the HParams tab.

    Args:
        identity: Mapping. The contents of `identity.json`; parts of an objective have their positions as names.

    Example:
        >>> hyperparameters({"distillation_loss": {"class": "dfkd_keras>SoftTargets", "temperature": 4.0}})
        {'distillation_loss': 'SoftTargets', 'distillation_loss.temperature': 4.0}
    """
    return {name.removeprefix("distiller."): value for name, value in _leaves(identity, ())}


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, bool | int | float | str]]:
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        value = {str(position): part for position, part in enumerate(value)}
    if isinstance(value, Mapping):
        for name, part in value.items():
            if not name.endswith(UNTOLD):
                yield from _leaves(part, path if name == "class" and path else (*path, name))
    elif value is not None:
        text = str(value).removeprefix("dfkd_keras>")
        yield ".".join(path), value if isinstance(value, (bool, int, float)) else printable(text)
