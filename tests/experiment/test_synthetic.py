"""The synthetic images of a run that calibrate an export."""

import gin
import numpy as np
import pytest

from dfkd_keras.experiment import configure
from dfkd_keras.experiment.run_directory import RunDirectory
from dfkd_keras.experiment.synthetic import synthetic_images

UNTRAINED = "TeacherRecipe.trained = False"


@pytest.mark.parametrize("method", ["rdskd.gin", "ssdkd.gin"], ids=["a generator", "a buffer"])
def test_images_of_a_run_are_those_that_its_distiller_shows(tmp_path, method):
    configure([method, "smoke.gin"], [UNTRAINED])
    experiment = gin.get_configurable("Experiment")()
    distiller = experiment.build()
    distiller.fit(epochs=distiller.schedule.epochs, verbose=0)
    RunDirectory(tmp_path).checkpoints.save(distiller, steps=1)
    images = synthetic_images(experiment, tmp_path, count=12)
    assert images.shape == (12, 32, 32, 1) and images.dtype == np.uint8
    np.testing.assert_allclose(images / 255.0, distiller.replay.preview(12, distiller), atol=0.51 / 255)


def test_a_run_without_a_checkpoint_is_told(tmp_path):
    configure(["rdskd.gin", "smoke.gin"], [UNTRAINED])
    experiment = gin.get_configurable("Experiment")()
    with pytest.raises(FileNotFoundError, match=r"no checkpoint to synthesize images from: give --cal"):
        synthetic_images(experiment, tmp_path)
