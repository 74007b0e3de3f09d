"""Imports of packages that may be absent, made where they are used, with an error that says what to install."""

import importlib
from types import ModuleType

from dfkd_keras.utils.errors import MissingDependencyError


def require(module: str, extra: str) -> ModuleType:
    """Imports a module that comes with one of this package's extras.

    Args:
        module: String. Full name of the module.
        extra: String. Name of the extra in setup.cfg.

    Returns:
        The module.

    Raises:
        MissingDependencyError: If it cannot be imported.
    """
    return _imported(module, f"pip install 'dfkd_keras[{extra}]'.")


def require_package(module: str, package: str, otherwise: str | None = None) -> ModuleType:
    """Imports a module of the default install, which may be absent all the same, as may what it needs itself.

    Args:
        module: String. Full name of the module, such as "sklearn.datasets".
        package: String. What to install, such as "scikit-learn".
        otherwise: String. What to do without it. Defaults to None.

    Returns:
        The module.

    Raises:
        MissingDependencyError: If it cannot be imported.
    """
    return _imported(module, f"pip install {package}, or {otherwise}." if otherwise else f"pip install {package}.")


def _imported(module: str, remedy: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        cause = " ".join(str(error).split())
        raise MissingDependencyError(f"module {module!r} cannot be imported ({cause}): {remedy}") from error
