"""Checks of plain values and of kinds of parts, whose errors name the value and the remedy in one line.

Whole numbers and numbers may be Python's or NumPy's. True and False are neither.
"""

import math
import numbers
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dfkd_keras.utils.errors import InvalidInputError
from dfkd_keras.utils.text import printable

LARGEST = float(np.finfo(np.float32).max)
LONGEST_VALUE = 80  # characters


def is_whole(value: Any) -> bool:
    """Returns whether a value is a whole number."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Returns whether a value is a number that float32 holds, neither infinite nor NaN."""
    if is_whole(value):
        return abs(int(value)) <= LARGEST
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(float(value)) <= LARGEST


def check_counts(owner: str, minimum: int = 1, **counts: int) -> None:
    """Raises `InvalidInputError` unless every count is a whole number of at least `minimum`.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        minimum: Integer. Smallest allowed value. Defaults to 1.
        **counts: The arguments by name.
    """
    _check(
        owner, counts, f"a whole number of at least {minimum}", lambda count: is_whole(count) and int(count) >= minimum
    )


def check_numbers(owner: str, minimum: float = 0.0, **values: float) -> None:
    """Raises `InvalidInputError` unless every number is finite, also as float32, and at least `minimum`.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        minimum: Float. Smallest allowed value; minus infinity for none. Defaults to 0.0.
        **values: The arguments by name.
    """
    bound = "" if minimum == -math.inf else f"of at least {minimum:g} and "
    _check(
        owner, values, f"a number {bound}finite in float32", lambda value: is_number(value) and float(value) >= minimum
    )


def check_positive(owner: str, **values: float) -> None:
    """Raises `InvalidInputError` unless every number is above 0 and finite, also as float32."""
    _check(owner, values, "positive and finite in float32", lambda value: is_number(value) and np.float32(value) > 0)


def check_fractions(owner: str, **values: float) -> None:
    """Raises `InvalidInputError` unless every number is at least 0 and less than 1."""
    _check(owner, values, "at least 0 and less than 1", lambda value: is_number(value) and 0 <= value < 1)


def check_seed(owner: str, seed: int) -> None:
    """Raises `InvalidInputError` unless the seed is a whole number that every random generator accepts."""
    _check(
        owner,
        {"seed": seed},
        f"a whole number from 0 to {2**32 - 1}",
        lambda value: is_whole(value) and 0 <= int(value) < 2**32,
    )


def check_flags(owner: str, **flags: bool) -> None:
    """Raises `InvalidInputError` unless every argument is a Boolean; "False" and 0 are not, and would be misread."""
    _check(owner, flags, "True or False", lambda flag: isinstance(flag, (bool, np.bool_)))


def check_choices(owner: str, choices: Collection[Any], **values: Any) -> None:
    """Raises `InvalidInputError` unless every argument is one of the choices, which are strings, whole numbers or None.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        choices: Collection. What is allowed.
        **values: The arguments by name.
    """

    def is_choice(value: Any) -> bool:
        return (value is None or isinstance(value, str) or is_whole(value)) and value in choices

    _check(owner, values, f"one of {', '.join(map(repr, choices))}", is_choice)


def check_shape(owner: str, length: int, any_size: bool = False, **shapes: Sequence[int | None]) -> None:
    """Raises `InvalidInputError` unless every argument has so many whole numbers of at least 1.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        length: Integer. How many numbers a shape has.
        any_size: Boolean. Whether None may stand for any size, except in the last place. Defaults to False.
        **shapes: The arguments by name.
    """

    def is_shape(shape: Any) -> bool:
        if not isinstance(shape, (tuple, list)) or len(shape) != length:
            return False
        sizes = [size for size in shape[:-1] if not (any_size and size is None)]
        return all(is_whole(size) and int(size) >= 1 for size in [*sizes, shape[-1]])

    _check(owner, shapes, f"{length} whole numbers of at least 1, as a tuple", is_shape)


def check_kinds(owner: str, kinds: type | tuple[type, ...], **parts: Any) -> None:
    """Raises `InvalidInputError` unless every argument is an object of one of the classes.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        kinds: Class, or tuple of classes.
        **parts: The arguments by name.
    """
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    wanted = " or ".join(_name_of_kind(kind) for kind in kinds)
    _check(owner, parts, f"an object of {wanted}", lambda part: isinstance(part, kinds))


def check_lists(owner: str, kind: type, **lists: Sequence[Any]) -> None:
    """Raises `InvalidInputError` unless every argument is a list or tuple of objects of a class, or empty.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        kind: Class.
        **lists: The arguments by name.
    """

    def is_list(parts: Any) -> bool:
        return isinstance(parts, (tuple, list)) and all(isinstance(part, kind) for part in parts)

    _check(owner, lists, f"a list of objects of {_name_of_kind(kind)}", is_list)


def entries(owner: str, **lists: Sequence[Any]) -> dict[str, Any]:
    """Returns the entries of lists by names such as "rates[0]", for a check of each.

    Raises:
        InvalidInputError: If an argument is neither a list nor a tuple.
    """
    check_kinds(owner, (tuple, list), **lists)
    return {f"{name}[{place}]": value for name, values in lists.items() for place, value in enumerate(values)}


def check_functions(owner: str, **functions: Callable) -> None:
    """Raises `InvalidInputError` unless every argument can be called and is no class, which a call would only build."""
    _check(owner, functions, "a function, or an object that can be called", lambda f: callable(f) and not _is_class(f))


def check_factories(owner: str, **factories: Callable) -> None:
    """Raises `InvalidInputError` unless every argument can be called to build something; a network builds nothing."""
    _check(owner, factories, "a function or class that builds it", _is_factory)


def given(**arguments: Any) -> dict[str, Any]:
    """Returns the arguments that are not None, for the check of optional ones: `check_counts(owner, **given(...))`."""
    return {name: value for name, value in arguments.items() if value is not None}


def _check(owner: str, values: Mapping[str, Any], description: str, is_allowed: Callable[[Any], bool]) -> None:
    for name, value in values.items():
        if not is_allowed(value):
            raise InvalidInputError(f"{owner}.{name}={shown(value)} must be {description}{_remedy(value)}.")


def _remedy(value: Any) -> str:
    parts = value if isinstance(value, (tuple, list)) else (value,)
    names = [part.__name__ for part in parts if _is_class(part)]
    return f", not a class: call {names[0]}, in gin @{names[0]}()" if names else ""


def _is_factory(part: Any) -> bool:
    return callable(part) and not isinstance(part, keras.layers.Layer)


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def _name_of_kind(kind: type) -> str:
    return f"keras.{kind.__name__}" if kind.__module__.split(".")[0] == "keras" else kind.__name__


def shown(value: Any) -> str:
    """Returns a value as text of a single line, shortened if it is long."""
    text = value.__name__ if _is_class(value) else " ".join(repr(value).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def same_shape(first: Sequence[int | None], second: Sequence[int | None]) -> bool:
    """Returns whether two shapes are equal, where None stands for any size."""
    return len(first) == len(second) and all(
        None in pair or pair[0] == pair[1] for pair in zip(first, second, strict=True)
    )


def single_line(error: Exception) -> str:
    """Returns an error's message on a single line, safe to print, or the name of its class if it has none."""
    return printable(" ".join(str(error).split())) or type(error).__name__
