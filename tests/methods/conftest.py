"""What the tests of whole methods share."""

import pytest

from tests.conftest import forget_compiled_functions


@pytest.fixture(autouse=True)
def memory_of_a_test_given_back():
    yield
    forget_compiled_functions()
