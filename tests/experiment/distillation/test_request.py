import numpy as np
import pytest

from dfkd_keras.experiment.distillation.request import Request
from dfkd_keras.utils.errors import InvalidInputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minutes": 0.0}, r"minutes=0\.0 must be a number above 0"),
        ({"minutes": float("inf")}, "minutes=inf must be"),
        ({"minutes": True}, "minutes=True must be"),
        ({"seed": -1}, r"distill\.seed=-1 must be"),
        ({"labels": "labels.csv"}, "labels='labels.csv' are of no use without images"),
        ({"image_shape": (32, 32)}, r"image_shape=\(32, 32\) must be height, width and channels"),
        ({"image_shape": (32, 32, True)}, r"image_shape=\(32, 32, True\) must be height, width and channels"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        Request("teacher.h5", **options)


def test_numbers_of_numpy_become_those_that_gin_reads():
    request = Request("teacher.h5", seed=np.int64(3), image_shape=np.array([32, 32, 3]))
    assert (repr(request.seed), repr(request.image_shape)) == ("3", "(32, 32, 3)")
