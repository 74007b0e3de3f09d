"""The precision that networks compute in, and what it does to optimizers; weights are float32 in any case."""

import contextlib
from collections.abc import Iterator

import keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@contextlib.contextmanager
def dtype_policy_scope(precision: str | None) -> Iterator[None]:
    """Sets Keras' global dtype policy for the networks that are built in this context.

    Args:
        precision: String or `None`. One of `PRECISIONS`; `None` keeps the present policy.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def inner_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer inside one that scales the loss, or the optimizer itself."""
    return optimizer.inner_optimizer if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) else optimizer


def scale_loss_like(
    optimizer: keras.optimizers.Optimizer, other: keras.optimizers.Optimizer
) -> keras.optimizers.Optimizer:
    """Returns the other optimizer, made to scale the loss if the first one does.

    Under mixed_float16, `keras.Model.compile` does this to its one optimizer by itself.

    Args:
        optimizer: A `keras.optimizers.Optimizer`.
        other: A `keras.optimizers.Optimizer`.
    """
    scaling = keras.optimizers.LossScaleOptimizer
    return scaling(other) if isinstance(optimizer, scaling) and not isinstance(other, scaling) else other
