"""A task's test images."""

import numpy as np
import pytest

from dfkd_keras.data import ImageDataset, Split
from dfkd_keras.experiment.task import Task
from dfkd_keras.metrics import IGNORED


def test_masks_without_anything_to_count_are_refused_before_training():
    labels = np.full((4, 2, 2), IGNORED, np.uint8)
    labels[3] = 0
    split = Split(np.zeros((4, 2, 2, 3), np.uint8), labels)
    data = ImageDataset("made_up", (2, 2, 3), ("a", "b"), lambda name: split, masks=True)
    assert len(Task("made_up", data, None, None).test_split().labels) == 4
    with pytest.raises(ValueError, match=r"no pixel of the 3 test images of task 'made_up' belongs to a class"):
        Task("made_up", data, None, None, test_images=3).test_split()
