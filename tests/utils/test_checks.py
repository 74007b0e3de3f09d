"""Checks name the argument, its value and what is allowed."""

import math

import pytest

from dfkd_keras.utils.checks import check_counts, check_numbers, check_seed, same_shape, single_line
from dfkd_keras.utils.errors import InvalidInputError


@pytest.mark.parametrize("value", [0, 1.0, "1", None])
def test_counts_are_integers_from_the_minimum_on(value):
    check_counts("Part", count=1)
    with pytest.raises(InvalidInputError, match=rf"Part\.count={value!r} must be a whole number of at least 1"):
        check_counts("Part", count=value)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, "1"])
def test_numbers_are_finite_and_not_negative(value):
    check_numbers("Part", weight=0.0)
    with pytest.raises(InvalidInputError, match=rf"Part\.weight={value!r} must be a number of at least 0"):
        check_numbers("Part", weight=value)


@pytest.mark.parametrize("value", [-1, 2**32, 0.5])
def test_seeds_fit_32_bits(value):
    check_seed("Part", 2**32 - 1)
    with pytest.raises(InvalidInputError, match="must be a whole number from 0 to 4294967295"):
        check_seed("Part", value)


def test_any_size_equals_every_size():
    assert same_shape((None, 32, 3), (28, 32, 3))
    assert not same_shape((28, 32, 3), (28, 32, 1))
    assert not same_shape((28, 32), (28, 32, 3))


def test_an_error_becomes_a_single_line():
    assert single_line(ValueError("a\n  b")) == "a b"
    assert single_line(ValueError()) == "ValueError"
