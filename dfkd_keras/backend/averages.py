"""Averages of weights, `use_ema` of Keras' optimizers, where a model has several optimizers.

Keras' trainer knows one optimizer, and takes its averages for those of all of the model's trainable weights.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.precision import inner_optimizer


@contextlib.contextmanager
def averaged_weights(optimizer: keras.optimizers.Optimizer, others: Sequence[keras.optimizers.Optimizer]) -> Iterator:
    """Context manager around a training at whose end the averages take the place of the weights that they are of.

    Args:
        optimizer: A `keras.optimizers.Optimizer`. The one that Keras' trainer knows, and finalizes.
        others: Sequence of other optimizers, all of them built.
    """
    trained, *others = map(inner_optimizer, (optimizer, *others))
    for each in (trained, *others):
        if not int(ops.convert_to_numpy(ops.copy(each.iterations))):  # the averages are still 0
            for weight, average in keras_internals.weight_averages(each):
                average.assign(ops.copy(weight))  # JAX gives buffers up, and no two variables may share one

    def finalize(all_weights: Any) -> None:
        for each in (trained, *others):
            for weight, average in keras_internals.weight_averages(each):
                weight.assign(ops.copy(average))

    trained.finalize_variable_values = finalize  # before callbacks end, one of which may restore other weights
    try:
        yield
    finally:
        del trained.finalize_variable_values  # uncovers the method of the class
