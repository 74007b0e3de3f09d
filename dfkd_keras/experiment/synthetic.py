"""The synthetic images of a run, for calibrating a quantized export without data."""

from pathlib import Path

import numpy as np

from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.images import to_uint8
from dfkd_keras.utils.errors import NotFoundError


def synthetic_images(experiment: Experiment, run_dir: Path | str, count: int = 2048) -> np.ndarray:
    """Returns images from a run's replay buffer, or newly synthesized by its generator if it has no buffer.

    Args:
        experiment: `Experiment` that the configuration of the run describes.
        run_dir: String or `Path`. Path of the run's folder, which must hold a checkpoint.
        count: Integer. Number of images. A buffer with fewer returns all of its images. Defaults to 2048.

    Returns:
        Uint8 array `[N, H, W, C]`.

    Raises:
        NotFoundError: If the run has no checkpoint.
    """
    checkpoint = RunDirectory(run_dir).checkpoints.newest()
    if checkpoint is None:
        raise NotFoundError(
            f"run {str(run_dir)!r} has no checkpoint to synthesize images from: give --calibration_images."
        )
    distiller = experiment.build()
    distiller.load_weights(checkpoint.weights)
    return np.asarray(to_uint8(distiller.replay.preview(count, distiller)))
