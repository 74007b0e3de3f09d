"""How a lack of memory is reported."""

import gin
import pytest

from dfkd_keras.backend.out_of_memory import translate_out_of_memory
from dfkd_keras.experiment import configure
from dfkd_keras.experiment.experiment import Experiment
from dfkd_keras.utils.errors import OutOfMemoryError


def tensorflow_error():
    errors = pytest.importorskip("tensorflow").errors
    return errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4096,4096]")


@pytest.mark.parametrize(
    "make",
    [tensorflow_error, MemoryError, lambda: RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")],
    ids=["TensorFlow", "Python", "JAX"],
)
def test_a_lack_of_memory_names_the_remedy(make):
    with pytest.raises(OutOfMemoryError, match="lower batch_size"), translate_out_of_memory():
        raise make()


def test_other_errors_stay_as_they_are():
    with pytest.raises(RuntimeError, match="a bug"), translate_out_of_memory():
        raise RuntimeError("a bug")


def test_a_run_reports_it(tmp_path, monkeypatch):
    def build(experiment):
        raise tensorflow_error()

    monkeypatch.setattr(Experiment, "build", build)
    configure(["rdskd.gin", "smoke.gin"])
    try:
        with pytest.raises(OutOfMemoryError, match="OOM when allocating"):
            gin.get_configurable("Experiment")().run(tmp_path / "run")
    finally:
        gin.clear_config()
