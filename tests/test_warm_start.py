"""Students that start as copies of the teacher: pruned, or trained for quantization."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import dfkd_keras as dk
from dfkd_keras import models
from dfkd_keras.models.loading.saved_model import saved_model
from tests.conftest import equal, values


class RoundedDense(layers.Dense):
    """Rounds its kernel to 8 bits on the way forward, and passes gradients as if it did not."""

    def call(self, inputs):
        limit = ops.max(ops.abs(self.kernel))
        rounded = ops.round(self.kernel / limit * 127.0) * limit / 127.0
        kernel = self.kernel + ops.stop_gradient(rounded - self.kernel)
        return self.activation(ops.matmul(inputs, kernel) + self.bias)


def rounded(layer):
    kind = RoundedDense if isinstance(layer, layers.Dense) else type(layer)
    return kind.from_config(layer.get_config())


def copy_of(teacher, clone_function=None):
    student = keras.models.clone_model(teacher, clone_function=clone_function)
    student.set_weights(teacher.get_weights())
    for layer in student.layers:
        layer.trainable = True  # the teacher's are not
    return student


def kernels(model):
    return [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]


def prune(model):
    """Cuts the smaller half of each layer's weights, for good."""
    for kernel in kernels(model):
        kept = ops.cast(ops.abs(kernel) > ops.median(ops.abs(kernel)), "float32")
        kernel.assign(kernel * kept)
        kernel.constraint = lambda kernel, kept=kept: kernel * kept


@pytest.fixture
def teacher(normalization):
    keras.utils.set_random_seed(1)
    return dk.Teacher(models.lenet5(normalization=normalization), normalization)


def test_pruned_weights_stay_0_while_the_others_learn(make_distiller, teacher):
    prune(student := copy_of(teacher.model))
    cut, before = [values([kernel])[0] == 0 for kernel in kernels(student)], values(student.variables)
    assert all(0.45 < np.mean(each) < 0.55 for each in cut)
    make_distiller(dk.schedules.Alternating(1), teacher=teacher, student=student).fit(steps_per_epoch=2, verbose=0)
    assert not equal(values(student.variables), before)
    for kernel, zeros in zip(kernels(student), cut, strict=True):
        np.testing.assert_array_equal(values([kernel])[0] == 0, zeros)


def test_a_student_that_rounds_its_weights_learns(make_distiller, teacher, rng):
    student = copy_of(teacher.model, rounded)
    images = rng.uniform(size=(8, 32, 32, 1)).astype("float32")
    exact, rough = (np.array(model(images)) for model in (teacher.model, student))
    assert 0 < np.abs(rough - exact).max() < 0.1 * np.abs(exact).max(), "nearly the teacher, but rounded"
    before = values(student.trainable_variables)
    make_distiller(dk.schedules.Alternating(1), teacher=teacher, student=student).fit(steps_per_epoch=2, verbose=0)
    assert not any(equal([new], [old]) for new, old in zip(values(student.trainable_variables), before, strict=True))


def test_a_frozen_copy_is_refused_unless_loaded_as_a_student(make_distiller, teacher, tmp_path):
    teacher.model.save(tmp_path / "copy.keras")
    frozen = keras.saving.load_model(tmp_path / "copy.keras")
    with pytest.raises(ValueError, match=r"'lenet5' has no trainable weights: set trainable = True on each"):
        make_distiller(teacher=teacher, student=frozen)
    make_distiller(teacher=teacher, student=saved_model(tmp_path / "copy.keras"))
