"""What networks compute in; their weights are float32 in any case."""

import contextlib
from collections.abc import Iterator

import keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@contextlib.contextmanager
def dtype_policy_scope(precision: str | None) -> Iterator[None]:
    """Makes the networks that are built within compute in a precision, one of `PRECISIONS`; None changes nothing."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
