"""A student from a file."""

import keras
import numpy as np
import pytest
from keras import layers

import dfkd_keras as dk
from dfkd_keras.experiment.student_file import student_file
from dfkd_keras.utils.errors import InvalidInputError


def test_its_batch_norm_keeps_the_statistics_it_learned(tmp_path):
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    )
    model.save(tmp_path / "untrained.keras")
    assert len(student_file(str(tmp_path / "untrained.keras")).trainable_variables) == 6
    model.layers[1].moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    model.save(tmp_path / "pruned.keras")
    student = student_file(str(tmp_path / "pruned.keras"))
    before = [np.array(variable) for variable in student.non_trainable_variables]
    student(np.full((4, 8, 8, 1), 7.0, "float32"), training=True)
    for variable, value in zip(student.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert len(student.trainable_variables) == 4  # of the convolution and the dense layer


def test_it_may_take_and_return_what_a_teacher_may(tmp_path):
    images = keras.Input((3, 8, 8))
    logits = layers.Conv2D(4, 8)(layers.Permute((2, 3, 1))(images))
    keras.Model(images, {"logits": logits, "probabilities": keras.ops.softmax(logits)}).save(tmp_path / "pruned.keras")
    student = student_file(str(tmp_path / "pruned.keras"))
    assert (student.input_shape, student.output_shape) == ((None, 8, 8, 3), (None, 4))
    assert student.trainable_variables and dk.Teacher(student).image_shape == (8, 8, 3)


def test_several_outputs_are_told_with_the_file(tmp_path):
    images = keras.Input((8, 8, 3))
    a, b = (layers.Dense(4, name=name)(layers.Flatten()(images)) for name in "ab")
    keras.Model(images, [a, b]).save(tmp_path / "two.keras")
    with pytest.raises(InvalidInputError, match=r"student file '.*two.keras' has the outputs a, b"):
        student_file(str(tmp_path / "two.keras"))
