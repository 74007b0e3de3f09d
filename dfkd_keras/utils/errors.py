"""The package's own errors: what its checks raise, with the value, the cause and the remedy in one line.

Each class is also the built-in error that a reader of Python expects, so `except ValueError` catches an
`InvalidInputError`. The command line shortens these errors to their message and shows the traceback of any other.
"""


class DFKDError(Exception):
    """Base class of the errors that the package's own checks raise."""


class InvalidInputError(DFKDError, ValueError):
    """An argument, configuration or file content that cannot work."""


class NotFoundError(DFKDError, FileNotFoundError):
    """A file or folder that does not exist."""


class StorageError(DFKDError, OSError):
    """A file or folder that cannot be read or written."""


class MissingDependencyError(DFKDError, ModuleNotFoundError):
    """A package that is not installed."""


class NonFiniteLossError(DFKDError, FloatingPointError):
    """A loss that became infinite or NaN."""


class ServerError(DFKDError, ConnectionError):
    """A server that failed or answered nonsense, or a worker that was lost."""


class ServerTimeoutError(DFKDError, TimeoutError):
    """A server that gave no answer before the deadline."""
