"""What is known of a student at the end of its run, besides its figures."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dfkd_keras.distiller import DataFreeDistiller
from dfkd_keras.experiment.evaluation import Evaluation
from dfkd_keras.experiment.reporting.calibration import Calibration, calibrate
from dfkd_keras.experiment.reporting.diagnostics import Diagnostics, diagnose
from dfkd_keras.experiment.reporting.latency import latency


class Assessment(NamedTuple):
    """What is known of a student at the end of its run, besides its figures.

    Attributes:
        evaluated: `Evaluation`. The images that it was evaluated on.
        predicted: Dictionary of integer arrays. What "teacher" and "student" predict for these.
        diagnostics: `Diagnostics` of the synthetic images.
        calibration: Dictionary of `Calibration`, of the "student" and, with true labels, of the "teacher".
        milliseconds: Dictionary. The time of both networks for a batch, by its size, as `latency` returns it.
    """

    evaluated: Evaluation
    predicted: Mapping[str, np.ndarray]
    diagnostics: Diagnostics
    calibration: Mapping[str, Calibration]
    milliseconds: Mapping[str, Mapping[int, float]]

    @property
    def by_pixel(self) -> bool:
        """Boolean. Whether each pixel has a class, not the whole image."""
        return self.predicted["teacher"].ndim > 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Tuple of three integers. Height, width and channels of the images."""
        return self.evaluated.split.images.shape[1:]

    @property
    def unseen(self) -> list[str]:
        """List of strings. The names of the classes that the teacher gives no image of those evaluated on."""
        seen = {*np.unique(self.predicted["teacher"]).tolist()}
        return [name for index, name in enumerate(self.evaluated.class_names) if index not in seen]


def assess(distiller: DataFreeDistiller, evaluated: Evaluation, predicted: Mapping[str, np.ndarray]) -> Assessment:
    """Measures in some seconds what is told of a student besides its figures.

    Args:
        distiller: `DataFreeDistiller`, trained.
        evaluated: `Evaluation`. The images that it was evaluated on.
        predicted: Dictionary of integer arrays. What "teacher" and "student" predict for these.
    """
    return Assessment(
        evaluated,
        predicted,
        diagnose(distiller),
        calibrate(distiller, evaluated),
        latency(distiller, evaluated.split.images),
    )
