"""A student from a file."""

import keras
import numpy as np
from keras import layers

import dfkd_keras as dk
from dfkd_keras.experiment.student_file import student_file


def test_its_batch_norm_keeps_the_statistics_it_learned(tmp_path):
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    )
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
