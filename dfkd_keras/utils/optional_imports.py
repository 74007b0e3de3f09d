"""Modules that are not there everywhere: of packages that only some exports need, or that need TensorFlow."""

import importlib
from types import ModuleType

from dfkd_keras.utils.errors import MissingDependencyError


def require(module: str, extra: str) -> ModuleType:
    """Imports a module that comes with one of this package's extras.

    Args:
        module: its full name.
        extra: the name of the extra in setup.cfg.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"module {module!r} is not installed ({error}): pip install 'dfkd_keras[{extra}]'."
        ) from error


def require_with_tensorflow(module: str, remedy: str) -> ModuleType:
    """Imports a module that needs TensorFlow.

    Args:
        module: its full name.
        remedy: what to do without it.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: if it, or TensorFlow, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"module {module!r} cannot be imported ({error}): {remedy}") from error
