"""The synthetic images of a run, for calibrating a quantized export without data."""

from pathlib import Path

import numpy as np

from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.utils.errors import NotFoundError


def synthetic_images(experiment: Experiment, run_dir: Path | str, count: int = 2048) -> np.ndarray:
    """Returns images of a run's memory or, where it keeps none, newly synthesized by its generator.

    Args:
        experiment: as the run's configuration describes it.
        run_dir: the run's folder, with a checkpoint.
        count: how many; a memory that holds fewer gives all.

    Returns:
        uint8 images `[N, H, W, C]`.

    Raises:
        FileNotFoundError: if the run has no checkpoint.
    """
    checkpoint = RunDirectory(run_dir).checkpoints.newest()
    if checkpoint is None:
        raise NotFoundError(f"run {str(run_dir)!r} has no checkpoint to take images from: give --calibration_images.")
    distiller = experiment.build()
    distiller.load_weights(checkpoint.weights)
    images = distiller.replay.preview(count, distiller)
    return np.rint(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)
