"""A few cases of each family; `python -m tests.fuzz` runs thousands, see docs/reliability.md."""

import logging
import warnings

import pytest

from tests.fuzz.families import FAMILIES
from tests.fuzz.harness import FAULTS, run_case

CASES, SEED = 10, 0


@pytest.fixture(autouse=True)
def silence():
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(disabled)


@pytest.mark.parametrize("name", FAMILIES)
def test_cases_end_right_or_with_a_clear_error(name):
    for number in range(CASES):
        ending = run_case(name, FAMILIES[name].case, SEED, number)
        assert ending.outcome not in FAULTS, f"case {number}: {ending.outcome}: {ending.seen}"
