"""A task's test images."""

import numpy as np
import pytest

import dfkd_keras as dk
from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.experiment.task import Task
from dfkd_keras.metrics import IGNORED
from dfkd_keras.models import lenet5
from dfkd_keras.utils.errors import InvalidInputError


def test_masks_without_anything_to_count_are_refused_before_training():
    labels = np.full((4, 2, 2), IGNORED, np.uint8)
    labels[3] = 0
    split = Split(np.zeros((4, 2, 2, 3), np.uint8), labels)
    data = ImageDataset("made_up", (2, 2, 3), ("a", "b"), lambda name: split, masks=True)
    assert len(Task("made_up", data, dk.Teacher, lenet5).test_split().labels) == 4
    with pytest.raises(ValueError, match=r"no pixel of the 3 test images of task 'made_up' belongs to a class"):
        Task("made_up", data, dk.Teacher, lenet5, test_images=3).test_split()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test_images": 0}, r"Task\.test_images=0 must be a whole number of at least 1"),
        ({"student": lenet5()}, r"Task\.student=<Functional name=lenet5, built=True> must be a function or class"),
        ({"data": "digits"}, r"Task\.data='digits' must be an object of ImageDataset"),
        ({"class_names": "ab"}, r"Task\.class_names='ab' must be a list"),
    ],
)
def test_what_is_no_task_is_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Task(**{"name": "made_up", "data": None, "teacher": dk.Teacher, "student": lenet5} | arguments)
