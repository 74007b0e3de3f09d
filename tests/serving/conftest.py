"""What the tests of clients share: servers of an exported student."""

import pytest

from tests.export.conftest import images, student, versions  # noqa: F401 (fixtures)
from tests.serving import servers


@pytest.fixture(scope="module")
def rest_url(versions):  # noqa: F811
    with servers.rest_server(versions) as url:
        yield url


@pytest.fixture(scope="module")
def grpc_address(versions):  # noqa: F811
    with servers.grpc_server(versions) as address:
        yield address
