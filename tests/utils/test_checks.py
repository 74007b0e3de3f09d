"""Checks name the argument, its value and what is allowed."""

import math
import re

import keras
import numpy as np
import pytest

from dfkd_keras.utils.checks import (
    check_choices,
    check_counts,
    check_factories,
    check_fractions,
    check_functions,
    check_kinds,
    check_lists,
    check_numbers,
    check_positive,
    check_seed,
    check_shape,
    entries,
    given,
    same_shape,
    shown,
    single_line,
)
from dfkd_keras.utils.errors import InvalidInputError


@pytest.mark.parametrize("value", [0, 1.0, "1", None, True, np.float32(1.0), np.int64(0), np.ones(1)])
def test_counts_are_integers_from_the_minimum_on(value):
    check_counts("Part", count=1)
    check_counts("Part", count=np.int64(1))
    with pytest.raises(
        InvalidInputError, match=rf"Part\.count={re.escape(repr(value))} must be a whole number of at least 1"
    ):
        check_counts("Part", count=value)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, "1", 1e39, True, 10**400, np.float16(-1.0)])
def test_numbers_are_finite_and_not_negative(value):
    check_numbers("Part", weight=0.0)
    check_numbers("Part", weight=np.float32(0.5))
    with pytest.raises(
        InvalidInputError, match=r"Part\.weight=.* must be a number of at least 0 and finite in float32"
    ):
        check_numbers("Part", weight=value)


def test_a_number_may_have_another_minimum_or_none():
    check_numbers("Part", minimum=-math.inf, mean=-3.0)
    with pytest.raises(InvalidInputError, match=r"^Part\.mean=nan must be a number finite in float32\.$"):
        check_numbers("Part", minimum=-math.inf, mean=math.nan)
    with pytest.raises(InvalidInputError, match=r"Part\.bias=0\.5 must be a number of at least 1 and"):
        check_numbers("Part", minimum=1.0, bias=0.5)


@pytest.mark.parametrize("value", [0.0, -1, math.nan, math.inf, 1e-60, "1", False])
def test_positive_numbers_are_so_in_float32(value):
    check_positive("Part", temperature=np.int64(2))
    with pytest.raises(InvalidInputError, match=r"Part\.temperature=.* must be positive and finite in float32\.$"):
        check_positive("Part", temperature=value)


@pytest.mark.parametrize("value", [1.0, -0.1, math.nan, None])
def test_fractions_are_below_one(value):
    check_fractions("Part", momentum=0)
    with pytest.raises(InvalidInputError, match=rf"Part\.momentum={value} must be at least 0 and less than 1\.$"):
        check_fractions("Part", momentum=value)


@pytest.mark.parametrize("value", ["c", None, [], np.zeros(2), 1.0])
def test_choices_are_named(value):
    check_choices("Part", ("a", "b"), kind="a")
    check_choices("Part", {18: 1, 34: 2}, depth=np.int64(34))
    with pytest.raises(InvalidInputError, match=r"Part\.kind=.* must be one of 'a', 'b'\.$"):
        check_choices("Part", ("a", "b"), kind=value)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 0), (8, 8, 1.0), 8, None, (None, 8, 3), (True, 8, 3), "883"])
def test_shapes_are_of_so_many_counts(shape):
    check_shape("Part", 3, image_shape=[8, np.int64(8), 3])
    with pytest.raises(
        InvalidInputError, match=r"Part\.image_shape=.* must be 3 whole numbers of at least 1, as a tuple"
    ):
        check_shape("Part", 3, image_shape=shape)


def test_sizes_but_not_channels_may_be_unknown():
    check_shape("Part", 3, any_size=True, image_shape=(None, None, 3))
    with pytest.raises(InvalidInputError, match=r"Part\.image_shape=\(8, 8, None\) must be"):
        check_shape("Part", 3, any_size=True, image_shape=(8, 8, None))


def test_parts_are_of_their_kind_and_a_class_is_to_be_called():
    check_kinds("Part", (str, int), name="a")
    with pytest.raises(InvalidInputError, match=r"^Part\.name=1\.5 must be an object of str or int\.$"):
        check_kinds("Part", (str, int), name=1.5)
    told = r"^Part\.optimizer=SGD must be an object of keras\.Optimizer, not a class: call SGD, in gin @SGD\(\)\.$"
    with pytest.raises(InvalidInputError, match=told):
        check_kinds("Part", keras.optimizers.Optimizer, optimizer=keras.optimizers.SGD)
    check_lists("Part", str, names=("a", "b"))
    for value in ("ab", ["a", 1], None):
        with pytest.raises(InvalidInputError, match=r"Part\.names=.* must be a list of objects of str\.$"):
            check_lists("Part", str, names=value)


def test_functions_are_called_with_arguments_and_factories_to_build():
    check_functions("Part", augment=len)
    for value in (dict, "len", None):
        with pytest.raises(InvalidInputError, match=r"Part\.augment=.* must be a function"):
            check_functions("Part", augment=value)
    check_factories("Part", model=dict)
    for value in (keras.layers.Dense(1), "len"):
        with pytest.raises(InvalidInputError, match=r"Part\.model=.* must be a function or class that builds it"):
            check_factories("Part", model=value)


def test_entries_are_checked_by_their_place():
    assert entries("Part", rates=(2, 4)) == {"rates[0]": 2, "rates[1]": 4}
    with pytest.raises(InvalidInputError, match=r"Part\.rates='24' must be an object of tuple or list"):
        entries("Part", rates="24")


def test_what_is_not_given_is_not_checked():
    assert given(first=None, second=0) == {"second": 0}


def test_long_values_are_shown_in_a_single_short_line():
    assert shown(np.zeros((100, 100))).startswith("array([[0., 0.,") and shown(np.zeros((100, 100))).endswith("...")
    assert len(shown("a" * 1000)) == 80 and "\n" not in shown(np.zeros((3, 3)))


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
