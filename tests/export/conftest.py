"""What the tests of exports share: a student, and a folder with its export."""

import numpy as np
import pytest

from dfkd_keras import export, models

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def student():
    return export.ServedStudent(models.lenet5_half(), class_names=NAMES)


@pytest.fixture(scope="module")
def versions(student, tmp_path_factory):
    """A folder with one version of the student."""
    folder = tmp_path_factory.mktemp("served") / "student"
    export.export_student(student, "savedmodel", folder.parent, np.zeros((4, 32, 32, 1), np.uint8))
    return folder


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(40, 32, 32, 1), dtype="uint8")
