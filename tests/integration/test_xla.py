"""Every way of making images compiles under XLA, which is what an accelerator runs."""

import gin
import keras
import numpy as np
import pytest

from dfkd_keras.experiment import configure

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles everything anyway")


@pytest.mark.parametrize(
    "method", ["zskd.gin", *(pytest.param(f"{m}.gin", marks=pytest.mark.slow) for m in ("zskt", "cmi", "ssdkd"))]
)
def test_a_method_compiles(method):
    try:
        params = ["TeacherRecipe.trained = False", "synthesis_epochs = 1", "Experiment.jit_compile = True"]
        configure([method, "smoke.gin"], params)
        distiller = gin.get_configurable("Experiment")().build()
    finally:
        gin.clear_config()
    assert distiller.jit_compile is True
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
