"""The package's own errors, whose messages name the value, the cause and the remedy in one line.

Each class is also the built-in error that Python users expect, so `except ValueError` catches an `InvalidInputError`.
The command line prints only the message of these errors, and the traceback of any other.
"""


class DFKDError(Exception):
    """Base class of the errors that the package's own checks raise."""

    _keras_call_info_injected = True  # else Keras makes a page of the line of an error in a layer's call


class InvalidInputError(DFKDError, ValueError):
    """An argument, configuration or file content that cannot work."""


class NotFoundError(DFKDError, FileNotFoundError):
    """A file or folder that does not exist."""


class StorageError(DFKDError, OSError):
    """A file or folder that cannot be read or written, or a disk that is full."""


class OutOfMemoryError(DFKDError, MemoryError):
    """A computation that the memory of the machine or of its accelerator does not suffice for."""


class MissingDependencyError(DFKDError, ModuleNotFoundError):
    """A package that is not installed."""


class NonFiniteLossError(DFKDError, FloatingPointError):
    """A loss that became infinite or NaN."""


class ServerError(DFKDError, ConnectionError):
    """A server that failed or sent an invalid response, or a worker that was lost."""


class ServerTimeoutError(DFKDError, TimeoutError):
    """A server that did not respond before the deadline."""
