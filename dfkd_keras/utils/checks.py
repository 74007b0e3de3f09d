"""Checks of plain values, whose errors name the value and the remedy in one line."""

import math
from collections.abc import Sequence

from dfkd_keras.utils.errors import InvalidInputError


def check_counts(owner: str, minimum: int = 1, **counts: int) -> None:
    """Raises `InvalidInputError` unless every count is an integer of at least `minimum`.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        minimum: Integer. Smallest allowed value. Defaults to 1.
        **counts: The arguments by name.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or value < minimum:
            raise InvalidInputError(f"{owner}.{name}={value!r} must be a whole number of at least {minimum}.")


def check_numbers(owner: str, **numbers: float) -> None:
    """Raises `InvalidInputError` unless every number is finite and at least 0.

    Args:
        owner: String. Name of the class or function whose arguments are checked, for the message.
        **numbers: The arguments by name.
    """
    for name, value in numbers.items():
        if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise InvalidInputError(f"{owner}.{name}={value!r} must be a number of at least 0.")


def check_seed(owner: str, seed: int) -> None:
    """Raises `InvalidInputError` unless the seed is an integer that every random generator accepts."""
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InvalidInputError(f"{owner}.seed={seed!r} must be a whole number from 0 to {2**32 - 1}.")


def same_shape(first: Sequence[int | None], second: Sequence[int | None]) -> bool:
    """Returns whether two shapes are equal, where None stands for any size."""
    return len(first) == len(second) and all(
        None in pair or pair[0] == pair[1] for pair in zip(first, second, strict=True)
    )


def single_line(error: Exception) -> str:
    """Returns an error's message on a single line, or the name of its class if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
