"""Packages that only some exports need."""

import importlib
from types import ModuleType


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
        raise ModuleNotFoundError(
            f"module {module!r} is not installed ({error}): pip install 'dfkd_keras[{extra}]'."
        ) from error
