"""Modules of the user, and what they define."""

import importlib
import inspect
from types import ModuleType
from typing import Any

from dfkd_keras.utils.checks import single_line
from dfkd_keras.utils.errors import InvalidInputError

WELL_KNOWN = ("builtins", "keras", "numpy", "tensorflow", "typing")  # packages whose parts nobody has to name


def import_module(name: str) -> ModuleType:
    """Imports a module of the user.

    Args:
        name: String. Full name of the module.

    Raises:
        InvalidInputError: If it does not exist, or fails. The message goes on after the name of what needs it.
    """
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it may raise anything
        raise InvalidInputError(
            f"needs the module {name!r}, which cannot be imported ({type(error).__name__}: {single_line(error)}): give "
            "the name, without .py, of a module in the working folder or of an installed one."
        ) from error


def import_named(reference: str) -> Any:
    """Imports what the user names as `module:name`.

    Args:
        reference: String. The module, a colon, and a name in it, which may have dots.

    Raises:
        InvalidInputError: If the module cannot be imported or has no such name. The message goes on after the
            reference.
    """
    module, _, names = reference.partition(":")
    found = import_module(module)
    for name in names.split("."):
        if not hasattr(found, name):
            raise InvalidInputError(f"does not exist: {module!r} has no {names!r}; give module:name.")
        found = getattr(found, name)
    return found


def public_objects(module: str | None) -> dict[str, Any]:
    """Returns the public classes and functions of a module by their names, but for what it imports from Keras.

    Args:
        module: String. Name of the module; None for no objects.

    Raises:
        InvalidInputError: If it cannot be imported.
    """
    if module is None:
        return {}
    found = {name: part for name, part in vars(import_module(module)).items() if not name.startswith("_")}
    parts = {name: part for name, part in found.items() if inspect.isclass(part) or inspect.isfunction(part)}
    return {name: part for name, part in parts.items() if part.__module__.split(".")[0] not in WELL_KNOWN}
