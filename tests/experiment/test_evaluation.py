"""The images that a student is evaluated on where there are no real ones."""

import keras
import numpy as np

import dfkd_keras as dk
from dfkd_keras import data
from dfkd_keras.experiment.evaluation import evaluation, most_certain
from dfkd_keras.experiment.task import Task


def test_of_each_class_the_images_of_the_widest_margin_are_the_most_certain_ones():
    logits = np.array([[3, 1, 0], [9, 1, 8.5], [5, 1, 0], [0, 2, 1], [0, 1, 1.5], [0, 1, 6], [0, 0, 2], [1, 0, 9.0]])
    np.testing.assert_array_equal(most_certain(logits, share=0.5), [0, 2, 3, 5, 7])  # of class 1 there is but one


def test_an_estimate_is_on_the_share_of_held_out_images_that_the_teacher_is_most_certain_of():
    keras.utils.set_random_seed(0)
    teacher = dk.Teacher(keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]))
    evaluated = evaluation(Task("textures", None, dk.Teacher, dk.models.lenet5), teacher, None)
    drawn = dk.synthesis.held_out_images((6, 6, 1), 8000, 20_261_129)
    logits = (drawn / 255.0).reshape(8000, 36) @ teacher.model.layers[-1].kernel.numpy()
    widths = np.sort(logits, axis=1)
    expected = []
    for label in range(3):
        of_class = np.flatnonzero(logits.argmax(axis=1) == label)
        margins = (widths[:, 2] - widths[:, 1])[of_class]
        expected += list(of_class[np.argsort(-margins)][: round(len(of_class) / 10)])
    assert evaluated.metric == "estimated_agreement"
    found, wanted = ({image.tobytes() for image in images} for images in (evaluated.split.images, drawn[expected]))
    assert len(found ^ wanted) <= 4  # margins that rounding makes equal
    assert abs(len(found) - 800) <= 2
    np.testing.assert_array_equal(
        evaluated.split.labels, teacher.predict_classes(data.Split(evaluated.split.images, None).unit_images)
    )
