"""Public parts with valid arguments, of which one is replaced by a value of another kind or out of range."""

import functools
import inspect
import math
import numbers
import types
import typing

import numpy as np

from tests.fuzz.harness import Case, expect
from tests.fuzz.mutations import pick
from tests.fuzz.parts import ARGUMENTS, PARTS, parameters

SHARE = 15
VALUES = (math.nan, math.inf, -1, 0, 1e300, "False", None, [], "adam", np.int64(2), np.float32(0.5), dict)
# A value of a plain type is right if it is of this kind; True is no number, and text no flag.
KINDS = {
    bool: lambda value: isinstance(value, (bool, np.bool_)),
    int: lambda value: isinstance(value, numbers.Integral) and not isinstance(value, bool),
    float: lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool) and not math.isnan(value),
    str: lambda value: isinstance(value, str),
    types.NoneType: lambda value: value is None,
}


@functools.cache
def places():
    """Returns every parameter of every part."""
    return [(part, name) for part in PARTS.values() for name in parameters(part)]


def case(rng, folder):
    (part, name), value = pick(rng, places()), pick(rng, VALUES)
    made = {each: make() for each, make in ARGUMENTS.get(part.__name__, {}).items() if each != name}
    return Case(lambda: _attempt(part, name, value, made), (name, "model ", "image"))


def _attempt(part, name, value, made):
    part(**made, **{name: value})
    kinds = _kinds(_hints(part).get(name))
    if kinds and not (name == "name" and value is None):  # Keras makes up a name
        is_right = any(KINDS[kind](value) if kind in KINDS else value == kind for kind in kinds)
        expect(is_right, f"{part.__name__} accepts {name}={value!r}")


def _hints(part):
    return typing.get_type_hints(part.__init__ if inspect.isclass(part) and "__init__" in vars(part) else part)


def _kinds(hint):
    """Returns the plain types and literals that an annotation allows; nothing if it allows others."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        kinds = [_kinds(each) for each in typing.get_args(hint)]
        return [kind for each in kinds for kind in each] if all(kinds) else ()
    return [hint] if hint in KINDS else ()
