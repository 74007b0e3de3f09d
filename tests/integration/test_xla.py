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
        configure([method, "smoke.gin"], ["TeacherRecipe.trained = False", "synthesis_epochs = 1"])
        described = gin.get_configurable("Experiment")()
        distiller = described.build()
    finally:
        gin.clear_config()
    distiller.compile(described.optimizer(), synthesis_optimizer=described.synthesis_optimizer(), jit_compile=True)
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
