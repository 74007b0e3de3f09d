"""Every method in half precision: what the networks compute is, losses, statistics and weights are not."""

import gin
import keras
import numpy as np
import pytest

from dfkd_keras.experiment import configure
from tests.experiment.test_configuration import METHODS

IN_BRIEF = {"mixed_float16": "zskd.gin", "mixed_bfloat16": "rdskd.gin"}
CASES = [
    pytest.param(method, precision, marks=[] if IN_BRIEF[precision] == method else [pytest.mark.slow])
    for method in METHODS
    for precision in IN_BRIEF
]


@pytest.fixture(autouse=True)
def clean():
    yield
    gin.clear_config()
    keras.utils.clear_session()


def built(method, precision):
    configure(
        [method, "modifiers/smoke.gin"], ["TeacherRecipe.trained = False", f"Experiment.precision = {precision!r}"]
    )
    return gin.get_configurable("Experiment")().build()


@pytest.mark.parametrize(("method", "precision"), CASES)
def test_a_method_trains_in_half_precision(method, precision):
    if precision == "mixed_float16" and keras.backend.backend() == "jax":
        with pytest.raises(ValueError, match="use mixed_bfloat16"):
            built(method, precision)
        return
    distiller = built(method, precision)
    assert keras.config.dtype_policy().name == "float32", "the rest of the program is not concerned"
    assert distiller.student.layers[-1].compute_dtype == precision.removeprefix("mixed_")
    assert {variable.dtype for variable in distiller.variables if "float" in variable.dtype} == {"float32"}
    before = [np.array(variable) for variable in distiller.student.trainable_variables]
    history = distiller.fit(verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())
    after = [np.array(variable) for variable in distiller.student.trainable_variables]
    assert all(np.isfinite(value).all() for value in after)
    assert any(not np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_what_a_teacher_of_half_precision_tells_is_float32():
    teacher = built("fast.gin", "mixed_bfloat16").teacher
    outputs = teacher(np.random.default_rng(0).standard_normal((4, *teacher.image_shape), np.float32))
    told = [outputs.logits, *keras.tree.flatten(outputs.batch_statistics)]
    assert len(told) > 4
    assert {keras.backend.standardize_dtype(value.dtype) for value in told} == {"float32"}


def test_a_teacher_trained_beforehand_is_the_one_of_the_experiment():
    """Its precision is a part of what it is cached under."""
    configure(
        ["dafl.gin", "modifiers/smoke.gin"],
        ["TeacherRecipe.trained = False", "Experiment.precision = 'mixed_bfloat16'"],
    )
    assert gin.get_configurable("Experiment")().teacher().model.layers[-1].compute_dtype == "bfloat16"


def test_both_sides_scale_their_losses_in_float16():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no loss scaling here")
    scaling = keras.optimizers.LossScaleOptimizer
    by_steps, by_rounds = built("dafl.gin", "mixed_float16"), built("zskd.gin", "mixed_float16")
    assert isinstance(by_steps.optimizer, scaling)
    assert isinstance(by_steps.synthesizer.optimizer, scaling)
    assert isinstance(by_rounds.optimizer, scaling)
    assert by_rounds.synthesizer.loss_scaling.enabled


def test_unknown_precisions_are_refused():
    with pytest.raises(ValueError, match=r"Experiment\.precision='half' must be one of 'float32', 'mixed_bfloat16'"):
        built("dafl.gin", "half")
