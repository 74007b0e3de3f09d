"""Every method, stopped after an epoch and loaded elsewhere, goes on to the same bits, on either backend.

Slow but for two: KERAS_BACKEND=jax pytest -m "slow or not slow" tests/methods/test_resume.py
"""

import gin
import h5py
import keras
import pytest

from dfkd_keras.experiment import configure
from tests.conftest import equal, values
from tests.experiment.test_configuration import METHODS

IN_BRIEF = ("zskd.gin", "dafl.gin")  # pixels and their soft labels; a generator


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()
    keras.utils.clear_session()


def built(method, *modifiers):
    configure([method, "smoke.gin", *modifiers], ["TeacherRecipe.trained = False"])
    return gin.get_configurable("Experiment")().build()


@pytest.mark.parametrize(
    "files",
    [pytest.param([method], marks=[] if method in IN_BRIEF else [pytest.mark.slow], id=method) for method in METHODS]
    + [pytest.param(["ssdkd.gin", "modifiers/soft_labels.gin"], marks=pytest.mark.slow, id="soft_labels.gin")],
)
def test_a_training_in_two_parts_is_that_in_one(tmp_path, files):
    whole, first, second = built(*files), built(*files), built(*files)
    epochs = whole.schedule.epochs // 2
    whole.fit(verbose=0)
    first.fit(epochs=epochs, verbose=0)
    first.save_weights(tmp_path / "state.weights.h5")
    keras.utils.set_random_seed(123)  # as another process might have it
    second.load_weights(tmp_path / "state.weights.h5")
    second.fit(initial_epoch=epochs, verbose=0)
    assert equal(values(second.variables), values(whole.variables))


def test_every_variable_is_saved_once(tmp_path):
    distiller = built("ssdkd.gin")  # four optimizers
    distiller.save_weights(tmp_path / "state.weights.h5")
    shapes = []
    with h5py.File(tmp_path / "state.weights.h5") as file:
        file.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    variables = {id(variable): variable.shape for variable in [*distiller.variables, *distiller.optimizer.variables]}
    saved, held = (sum(shape == (256, 4096) for shape in known) for known in (shapes, variables.values()))
    assert saved == held > 4, (saved, held)
