"""Layers that train on several replicas as they would on one device with the whole batch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from dfkd_keras.backend import keras_internals
from dfkd_keras.backend.distribution import replica_id


@contextlib.contextmanager
def sync_replicas(model: keras.Model) -> Iterator[None]:
    """Makes BatchNorm use the statistics of the whole batch, and dropout draw another mask on every replica.

    This holds within the context only, because a saved model must not contain the setting, which JAX does not support.

    Args:
        model: A `keras.Model`. All layers nested in it are affected, if it was made under a strategy of several
            replicas.
    """
    layers = keras_internals.flatten_layers(model) if _has_replicas(model) else ()
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized]
    generators = {id(seeds): seeds for layer in layers for seeds in keras_internals.seed_generators(layer)}.values()
    for norm in norms:
        norm.synchronized = True
    for generator in generators:
        generator.next = _seed_of_replica(generator.next)
    try:
        yield
    finally:
        for norm in norms:
            norm.synchronized = False
        for generator in generators:
            del generator.next  # uncovers the method of the class


def _has_replicas(model: keras.Model) -> bool:
    # Only on TensorFlow do models have a strategy.
    strategy = getattr(model, "distribute_strategy", None)
    return strategy is not None and strategy.num_replicas_in_sync > 1


def _seed_of_replica(next_seed: Callable) -> Callable:
    """Makes the seed of every replica a different one, while the state that it comes from stays the same on all."""

    def seed_of_replica(ordered: bool = True) -> Any:
        seed = next_seed(ordered)
        return seed + ops.stack([ops.cast(replica_id(), seed.dtype), ops.zeros((), seed.dtype)])

    return seed_of_replica
