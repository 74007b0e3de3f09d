"""What the tests of exports share: a student, its export, and servers of it."""

import pytest

from dfkd_keras import export, models
from tests.serving import servers

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def student():
    return export.ServedStudent(models.lenet5_half(), class_names=NAMES)


@pytest.fixture(scope="module")
def versions(student, tmp_path_factory):
    """A folder with one version of the student."""
    folder = tmp_path_factory.mktemp("served") / "student"
    export.export_savedmodel(student.model, folder, class_names=student.class_names)
    return folder


@pytest.fixture(scope="module")
def rest_url(versions):
    with servers.rest_server(versions) as url:
        yield url


@pytest.fixture(scope="module")
def grpc_address(versions):
    with servers.grpc_server(versions) as address:
        yield address


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(40, 32, 32, 1), dtype="uint8")
